/**
 * The container runtime that stands under a kubelet, as far as its socket shows it. In a range the kubelet is its own runtime, so
 * it serves this itself; on a real host containerd does, and every client of the socket is root of the node.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { dirname, join } from 'node:path'
import {
  decodeExec,
  encodeContainers,
  encodeOutcome,
  EXEC_SYNC,
  LIST_CONTAINERS,
  RUNTIME_SOCKET,
  RUNTIME_SOCKET_MODE,
} from '../../../lib/cluster/cri.ts'
import { GrpcFrameReader, grpcFrame } from '../../../lib/etcd/grpc-frame.ts'
import { encodeGrpcMessage, GRPC_CODES, GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { NotExecutable, type Container } from '../container/container.ts'
import type { NodePods } from '../pods/node-pods.ts'
import type { PodWorker } from '../pods/pod-worker.ts'
import { runtimeText } from './exec-status.ts'

/** sockaddr_un's room for a path, its final NUL aside. */
const MOST_PATH_BYTES = 107
const MOST_MESSAGE_BYTES = 16 * 1024 * 1024

/** Opens the socket on the host that `root` stands for. */
export function listenRuntime(root: string, pods: NodePods): void {
  const path = join(root, RUNTIME_SOCKET)
  if (Buffer.byteLength(path) > MOST_PATH_BYTES) {
    return klogS('W', 'runtime_socket', 'Not opened: a path of a socket has room for 107 bytes', { path })
  }
  mkdirSync(dirname(path), { recursive: true })
  // what a kubelet of before left
  rmSync(path, { force: true })
  const server = createServer()
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    serve(stream, headers[':path'] ?? '', pods).catch((error: unknown) => end(stream, error))
  })
  server.on('error', ({ message }) => klogS('E', 'runtime_socket', 'Failed to listen', { err: message, path }))
  server.listen(path, () => chmodSync(path, RUNTIME_SOCKET_MODE))
}

async function serve(stream: ServerHttp2Stream, method: string, pods: NodePods): Promise<void> {
  const reader = new GrpcFrameReader(MOST_MESSAGE_BYTES)
  const messages: Buffer[] = []
  for await (const chunk of stream) messages.push(...reader.push(chunk as Buffer))
  const reply = await answer(method, messages[0] ?? Buffer.alloc(0), pods)
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC_CODES.OK) }))
  stream.end(grpcFrame(reply))
}

async function answer(method: string, message: Buffer, pods: NodePods): Promise<Buffer> {
  if (method === LIST_CONTAINERS) return encodeContainers(pods.list().flatMap(containersOf))
  if (method !== EXEC_SYNC) {
    const [, service = '', name = ''] = method.split('/')
    throw new GrpcError('Unimplemented', `unknown method ${name} for service ${service}`)
  }
  const { id, command } = decodeExec(message)
  const container = pods
    .list()
    .flatMap(({ running }) => running)
    .find((each) => idOf(each) === id)
  if (!container) {
    throw new GrpcError('NotFound', `failed to find container "${id}" in store: not found`)
  }
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
  try {
    const exitCode = await container.run(command, {
      out: (bytes) => void stdout.push(bytes),
      err: (bytes) => void stderr.push(bytes),
    })
    return encodeOutcome({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), exitCode })
  } catch (error) {
    if (!(error instanceof NotExecutable)) throw error
    throw new GrpcError('Unknown', runtimeText(error), { cause: error })
  }
}

function containersOf(worker: PodWorker): Parameters<typeof encodeContainers>[0] {
  const { namespace = '', name = '', uid = '' } = worker.pod.metadata
  return worker.running.map((container) => ({
    id: idOf(container),
    name: container.options.name,
    image: container.options.image,
    pod: { namespace, name, uid },
  }))
}

/** Kubernetes calls it by its runtime in front. */
function idOf({ id }: Container): string {
  return id.replace('containerd://', '')
}

function end(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed) return
  const { code, message } = error instanceof GrpcError ? error : new GrpcError('Internal', String(error))
  const status = { 'grpc-status': String(GRPC_CODES[code]), 'grpc-message': encodeGrpcMessage(message) }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true })
}

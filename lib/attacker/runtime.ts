/** Speaks to a container runtime's socket that a machine's user came upon: whoever may connect is obeyed. */
import { connect as connectHttp2, constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import {
  decodeContainers,
  decodeOutcome,
  encodeExec,
  EXEC_SYNC,
  LIST_CONTAINERS,
  type ExecOutcome,
  type RuntimeContainer,
} from '../cluster/cri.ts'
import { GrpcFrameReader, grpcFrame } from '../etcd/grpc-frame.ts'
import { decodeGrpcMessage, GrpcError, grpcCodeName } from '../etcd/grpc-status.ts'

const CALL_MS = 4000

export interface RuntimeThief {
  containers(): Promise<RuntimeContainer[]>
  run(id: string, command: readonly string[]): Promise<ExecOutcome>
  close(): void
}

/** Rejects with the system's error where this user may not connect. */
export async function runtimeThief(path: string): Promise<RuntimeThief> {
  const socket = connectSocket(path)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const session = connectHttp2('http://localhost', { createConnection: () => socket })
  session.on('error', () => {})

  const call = (method: string, message: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': method,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), CALL_MS)
      const reader = new GrpcFrameReader()
      let reply: Buffer = Buffer.alloc(0)
      let [status, said] = ['', '']
      const hear = (headers: Record<string, unknown>): void => {
        status = String(headers['grpc-status'] ?? status)
        said = String(headers['grpc-message'] ?? said)
      }
      stream.on('response', hear).on('trailers', hear)
      stream.on('data', (chunk: Buffer) => {
        for (const whole of reader.push(chunk)) reply = whole
      })
      stream.on('error', reject)
      stream.on('close', () => {
        clearTimeout(timer)
        if (status === '0') resolve(reply)
        else reject(new GrpcError(grpcCodeName(Number(status || 2)), decodeGrpcMessage(said) || 'no answer'))
      })
      stream.end(grpcFrame(message))
    })
  return {
    containers: async () => decodeContainers(await call(LIST_CONTAINERS, Buffer.alloc(0))),
    run: async (id, command) => decodeOutcome(await call(EXEC_SYNC, encodeExec({ id, command }))),
    close: () => session.destroy(),
  }
}

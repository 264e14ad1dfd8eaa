/** /exec and /attach: a container's streams over an upgraded connection. pkg/kubelet/server/server.go, cri-streaming. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  acceptExec,
  refuseWebSocket,
  type ExecProtocol,
  type ExecSession,
  type ExecStatus,
} from '../../../lib/kube/exec-websocket.ts'
import { NotExecutable, type Container } from '../container/container.ts'
import { answer, httpError } from './answer.ts'

export interface Upgrade {
  /** The connection, which the response has nothing more to do with. */
  take: () => Duplex
  head: Buffer
}

export interface StreamCall {
  request: IncomingMessage
  response: ServerResponse
  upgrade: Upgrade | undefined
  query: URLSearchParams
  container: Container
  /** Every piece that crosses, either way. */
  onBytes: (bytes: Buffer) => void
}

const V5 = 'v5.channel.k8s.io'
const SPDY_PROTOCOLS = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io']

/** At least one of them has to be asked for; the kubelet knows them by other names than kube-apiserver. */
export function streamsAsked(query: URLSearchParams): boolean {
  return ['input', 'output', 'error'].some((name) => query.get(name) === '1')
}

/** Whether the client may change protocols; whatever is wrong is answered. */
export function takesUpgrade({
  request,
  response,
  upgrade,
}: Pick<StreamCall, 'request' | 'response' | 'upgrade'>): boolean {
  if (!upgrade) {
    httpError(response, 500, 'Upgrade request required')
    return false
  }
  if (request.headers.upgrade?.toLowerCase() === 'websocket') {
    const refused = refuseWebSocket(request)
    if (!refused) return true
    const headers = Object.fromEntries(refused.headers.map((line) => line.split(': ') as [string, string]))
    answer(response, refused.status, refused.body, headers)
    return false
  }
  const offered = request.headers['x-stream-protocol-version']
  if (offered === undefined) {
    const count = Object.keys(request.headers).filter((name) => name !== 'host').length
    httpError(
      response,
      400,
      `unable to upgrade: header X-Stream-Protocol-Version does not exist in request with ${count} headers`,
    )
    return false
  }
  const versions = [offered].flat().flatMap((each) => each.split(',').map((version) => version.trim()))
  if (!versions.some((version) => SPDY_PROTOCOLS.includes(version))) {
    const text = `unable to upgrade: unable to negotiate protocol: client supports [${versions.join(' ')}], server accepts [${SPDY_PROTOCOLS.join(' ')}]`
    response.setHeader('X-Accepted-Stream-Protocol-Versions', SPDY_PROTOCOLS.join(', '))
    httpError(response, 403, text)
    return false
  }
  httpError(response, 501, '[spdy] kubelet: the simulation streams over WebSocket only (ask for v5.channel.k8s.io)')
  return false
}

export function exec({ request, upgrade, query, container, onBytes }: StreamCall): void {
  if (!upgrade) return
  const command = query.getAll('command')
  const wants = wanted(query)
  acceptExec(request, upgrade.take(), upgrade.head, (session) => {
    const write = writer(session, wants, onBytes)
    container
      .run(command, {
        out: (bytes) => write('stdout', bytes),
        err: (bytes) => write('stderr', bytes),
        signal: session.signal,
        ...(wants.stdin ? { stdin: heard(session.stdin, onBytes) } : {}),
      })
      .then((code) => session.end(exitStatus(session.protocol, command, code)))
      .catch((error: unknown) => session.end(startFailure(session.protocol, error)))
  })
}

/** What the entry point writes from now on; nobody here reads what is typed. */
export function attach({ request, upgrade, query, container, onBytes }: StreamCall): void {
  if (!upgrade) return
  const wants = wanted(query)
  acceptExec(request, upgrade.take(), upgrade.head, (session) => {
    const write = writer(session, wants, onBytes)
    const onOutput = ({ stream, bytes }: { stream: 'stdout' | 'stderr'; bytes: Buffer }): void => write(stream, bytes)
    const end = (): void => session.end(success(session.protocol))
    container.on('output', onOutput)
    if (container.exitCode === undefined) container.once('exit', end)
    else end()
    session.signal.addEventListener('abort', () => {
      container.off('output', onOutput)
      container.off('exit', end)
    })
  })
}

interface Wants {
  stdin: boolean
  stdout: boolean
  stderr: boolean
}

/** With a terminal there is no stderr of its own, and asking for it is not refused. */
function wanted(query: URLSearchParams): Wants {
  const asks = (name: string): boolean => query.get(name) === '1'
  return { stdin: asks('input'), stdout: asks('output'), stderr: asks('error') && !asks('tty') }
}

function writer(session: ExecSession, wants: Wants, onBytes: (bytes: Buffer) => void) {
  return (stream: 'stdout' | 'stderr', bytes: Buffer): void => {
    if (!wants[stream]) return
    onBytes(bytes)
    session.write(stream, bytes)
  }
}

async function* heard(stdin: AsyncIterable<Buffer>, onBytes: (bytes: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const piece of stdin) {
    onBytes(piece)
    yield piece
  }
}

function success(protocol: ExecProtocol): ExecStatus {
  return protocol === V5 ? { metadata: {}, status: 'Success' } : { status: 'Success' }
}

/** v5 goes through the kubelet's own client of the runtime, which words things anew. */
function exitStatus(protocol: ExecProtocol, command: readonly string[], code: number): ExecStatus {
  if (code === 0) return success(protocol)
  const why =
    protocol === V5
      ? `command terminated with exit code ${code}`
      : `error executing command [${command.join(' ')}], exit code ${code}`
  return {
    ...(protocol === V5 ? { metadata: {} } : {}),
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${why}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}

function startFailure(protocol: ExecProtocol, error: unknown): ExecStatus {
  const text = error instanceof NotExecutable ? runtimeText(error) : String(error)
  const internal = `Internal error occurred: error executing command in container: ${text}`
  if (protocol !== V5) return { status: 'Failure', message: internal, reason: 'InternalError', code: 500 }
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${internal}`,
    reason: 'InternalError',
    details: { causes: [{ message: internal }] },
    code: 500,
  }
}

/** containerd's words for a command that is not there. */
export function runtimeText(error: NotExecutable): string {
  return `failed to exec in container: ${error.message}`
}

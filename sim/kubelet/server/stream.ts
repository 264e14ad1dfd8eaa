/** /exec and /attach: a container's streams over an upgraded connection. pkg/kubelet/server/server.go, cri-streaming. */
import { acceptSpdyExec, SPDY_EXEC_PROTOCOLS } from '../../../lib/kube/exec-spdy.ts'
import { acceptExec, execProtocol, type ExecProtocol, type ExecSession } from '../../../lib/kube/exec-websocket.ts'
import type { Container } from '../container/container.ts'
import { Terminal } from '../container/terminal.ts'
import { exitStatus, startFailure, success } from './exec-status.ts'
import { assertUpgrade, assertWebSocket, isWebSocket, upgradeToSpdy, type UpgradeCall } from './upgrade.ts'

export interface StreamCall extends UpgradeCall {
  query: URLSearchParams
  container: Container
  /** Every piece that crosses, either way. */
  onBytes: (bytes: Buffer) => void
}

interface Wants {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

export function exec(call: StreamCall): void {
  const { query, container, onBytes } = call
  const command = query.getAll('command')
  const wants = wanted(query)
  open(call, wants, (session) => {
    const { protocol } = session
    const write = writer(session, wants, onBytes)
    const terminal = wants.tty ? new Terminal((bytes) => write('stdout', bytes)) : undefined
    const stdin = heard(session.stdin, onBytes)
    if (terminal) {
      session.onResize((size) => terminal.resize(size))
      session.signal.addEventListener('abort', () => terminal.hangUp(), { once: true })
      if (wants.stdin) void typeAll(stdin, (bytes) => terminal.type(bytes))
    }
    container
      .run(command, {
        out: (bytes) => write('stdout', bytes),
        err: (bytes) => write('stderr', bytes),
        signal: session.signal,
        ...(wants.stdin ? { stdin } : {}),
        ...(terminal ? { terminal } : {}),
      })
      .then((code) => session.end(exitStatus(protocol, command, code)))
      .catch((error: unknown) => session.end(startFailure(protocol, error)))
  })
}

/** What the entry point writes from now on, and what it is typed, if its spec opens a stdin. */
export function attach(call: StreamCall): void {
  const { query, container, onBytes } = call
  const wants = wanted(query)
  open(call, wants, (session) => {
    const write = writer(session, wants, onBytes)
    const onOutput = ({ stream, bytes }: { stream: 'stdout' | 'stderr'; bytes: Buffer }): void => write(stream, bytes)
    const end = (): void => session.end(success(session.protocol))
    container.on('output', onOutput)
    if (container.exitCode === undefined) container.once('exit', end)
    else end()
    session.onResize((size) => container.resize(size))
    if (wants.stdin) {
      void typeAll(heard(session.stdin, onBytes), (bytes) => container.type(bytes)).then(() => {
        if (!session.signal.aborted) container.endInput()
      })
    }
    session.signal.addEventListener('abort', () => {
      container.off('output', onOutput)
      container.off('exit', end)
    })
  })
}

function open(call: StreamCall, wants: Wants, onSession: (session: ExecSession) => void): void {
  const { request, upgrade } = call
  if (!assertUpgrade(call) || !upgrade) return
  if (isWebSocket(request)) {
    if (assertWebSocket(call, execProtocol(request))) acceptExec(request, upgrade.take(), upgrade.head, onSession)
    return
  }
  const spdy = upgradeToSpdy<ExecProtocol>(call, SPDY_EXEC_PROTOCOLS)
  if (spdy) acceptSpdyExec(spdy.transport, spdy.version, wants, onSession)
}

/** With a terminal there is no stderr of its own, and asking for it is not refused. */
function wanted(query: URLSearchParams): Wants {
  const asks = (name: string): boolean => query.get(name) === '1'
  return { stdin: asks('input'), stdout: asks('output'), stderr: asks('error') && !asks('tty'), tty: asks('tty') }
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

async function typeAll(stdin: AsyncIterable<Buffer>, type: (bytes: Buffer) => void): Promise<void> {
  for await (const piece of stdin) type(piece)
}

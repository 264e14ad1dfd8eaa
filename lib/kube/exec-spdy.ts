/**
 * Remote commands over SPDY, both ends: one stream each for error, stdin, stdout, stderr and resize, named by their header
 * `streamtype`. cri-streaming's remotecommand/httpstream.go, client-go/tools/remotecommand/v4.go.
 */
import type { Duplex } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import {
  endText,
  parseExecStatus,
  PIECE,
  SizeReader,
  type ExecProtocol,
  type ExecSession,
  type ExecStatus,
  type TerminalSize,
} from './exec-session.ts'
import { SpdySession, type SpdyStream } from './spdy-session.ts'

/** In the server's order of preference. v5 exists over WebSocket only. */
export const SPDY_EXEC_PROTOCOLS = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const satisfies readonly ExecProtocol[]

export type ExecStreamType = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize'

export interface SpdyExecWants {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

/** The streams that have to be there before anything runs. v1 and v2 know no resize. */
export function execStreams({ stdin, stdout, stderr, tty }: SpdyExecWants, protocol: ExecProtocol): ExecStreamType[] {
  const resizes = tty && protocol !== 'channel.k8s.io' && protocol !== 'v2.channel.k8s.io'
  const asked: [ExecStreamType, boolean][] = [
    ['error', true],
    ['stdin', stdin],
    ['stdout', stdout],
    ['stderr', stderr && !tty],
    ['resize', resizes],
  ]
  return asked.filter(([, isAsked]) => isAsked).map(([type]) => type)
}

/** How long a client may take to open its streams (cri-streaming's DefaultStreamCreationTimeout). */
const CREATION_TIMEOUT_MS = 30_000

/** Takes over a connection that was answered with 101. `onSession` is called once all streams are open. */
export function acceptSpdyExec(
  transport: Duplex,
  protocol: ExecProtocol,
  wants: SpdyExecWants,
  onSession: (session: ExecSession) => void,
): void {
  const expected = execStreams(wants, protocol)
  const streams = new Map<ExecStreamType, SpdyStream>()
  const timer = setTimeout(() => session.close(), CREATION_TIMEOUT_MS)
  timer.unref()
  const session = new SpdySession(transport, {
    role: 'server',
    onStream: (stream) => {
      const type = stream.headers.get('streamtype') as ExecStreamType
      // a stream that nobody waits for is taken and left alone
      stream.reply()
      if (expected.includes(type)) streams.set(type, stream)
      if (streams.size < expected.length || !expected.includes(type)) return
      clearTimeout(timer)
      onSession(new SpdyExecSession(session, protocol, streams))
    },
  })
}

class SpdyExecSession implements ExecSession {
  readonly protocol: ExecProtocol
  readonly stdin: AsyncIterable<Buffer>
  readonly #session: SpdySession
  readonly #streams: ReadonlyMap<ExecStreamType, SpdyStream>
  readonly #sizes = new SizeReader()

  constructor(session: SpdySession, protocol: ExecProtocol, streams: ReadonlyMap<ExecStreamType, SpdyStream>) {
    this.protocol = protocol
    this.#session = session
    this.#streams = streams
    this.stdin = streams.get('stdin')?.input ?? ended()
    const resizes = streams.get('resize')?.input
    if (resizes) void pump(resizes, (bytes) => this.#sizes.push(bytes))
  }

  get signal(): AbortSignal {
    return this.#session.signal
  }

  write(stream: 'stdout' | 'stderr', bytes: Buffer): void {
    const to = this.#streams.get(stream)
    for (let at = 0; at < bytes.length; at += PIECE) to?.write(bytes.subarray(at, at + PIECE))
  }

  onResize(listener: (size: TerminalSize) => void): void {
    this.#sizes.listen(listener)
  }

  end(status: ExecStatus): void {
    const text = endText(this.protocol, status)
    if (text !== undefined) this.#streams.get('error')?.write(Buffer.from(text))
    for (const stream of this.#streams.values()) stream.reset()
    this.#session.close()
  }
}

export interface SpdyExecClient {
  /** Closed by `end()`: half of it, the answer still comes. */
  stdin: SpdyStream | undefined
  resize: SpdyStream | undefined
  /** Settles once the container's end was said, or with undefined where the connection ended without. */
  status: Promise<ExecStatus | undefined>
  close(): void
}

export interface SpdyExecOptions extends SpdyExecWants {
  protocol: ExecProtocol
  onBytes: (stream: 'stdout' | 'stderr', bytes: Buffer) => void
}

/** The client's end of a connection that was answered with 101. */
export function openSpdyExec(transport: Duplex, options: SpdyExecOptions): SpdyExecClient {
  const session = new SpdySession(transport, { role: 'client' })
  const streams = new Map<ExecStreamType, SpdyStream>()
  for (const type of execStreams(options, options.protocol)) {
    streams.set(type, session.open(new Map([['streamtype', type]])))
  }
  const outputs = (['stdout', 'stderr'] as const).map((type) => {
    const stream = streams.get(type)
    return stream ? pump(stream.input, (bytes) => options.onBytes(type, bytes)) : Promise.resolve()
  })
  const said: Buffer[] = []
  const error = streams.get('error')
  const ends = error ? [pump(error.input, (bytes) => void said.push(bytes)), ...outputs] : outputs
  const status = Promise.all(ends).then((): ExecStatus | undefined => {
    const text = Buffer.concat(said).toString('utf8')
    if (text !== '') return parseExecStatus(text)
    // before v4 a container that ended well says nothing
    return options.protocol === 'v4.channel.k8s.io' ? undefined : { status: 'Success' }
  })
  return {
    stdin: streams.get('stdin'),
    resize: streams.get('resize'),
    status,
    close: () => session.close(),
  }
}

async function pump(input: AsyncIterable<Buffer>, take: (bytes: Buffer) => void): Promise<void> {
  for await (const bytes of input) take(bytes)
}

function ended(): ByteQueue {
  const queue = new ByteQueue()
  queue.end()
  return queue
}

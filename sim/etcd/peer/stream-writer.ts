/** One of the two streams on which this member speaks to a peer; the peer has dialled it (rafthttp/stream.go, streamWriter). */
import type { ServerResponse } from 'node:http'
import type { Message } from '../raft/message.ts'
import { encoderOf, type MessageEncoder, type StreamKind } from './message-stream.ts'
import { witnessEntries } from './witness-entries.ts'

/** A third of what the other side waits for a byte. */
const HEARTBEAT_MS = 5000 / 3
/** So much may wait for a peer that does not read; what comes then is lost, as Raft can bear. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024

export class StreamWriter {
  readonly kind: StreamKind
  #stream: { response: ServerResponse; encoder: MessageEncoder } | undefined
  readonly #timer: NodeJS.Timeout
  readonly #onLost: (stream: StreamWriter) => void
  readonly #onSent: (bytes: number) => void

  constructor(
    kind: StreamKind,
    { onLost, onSent }: { onLost: (stream: StreamWriter) => void; onSent: (bytes: number) => void },
  ) {
    this.kind = kind
    this.#onLost = onLost
    this.#onSent = onSent
    this.#timer = setInterval(() => {
      if (this.#stream) this.#write(this.#stream.response, this.#stream.encoder.heartbeat())
    }, HEARTBEAT_MS)
    this.#timer.unref()
  }

  get isWorking(): boolean {
    return this.#stream !== undefined
  }

  /** A peer's request has been answered with 200: from now on this goes there. True: it takes the place of another one. */
  attach(response: ServerResponse): boolean {
    const before = this.#stream?.response
    this.#stream = { response, encoder: encoderOf(this.kind) }
    before?.end()
    response.once('close', () => {
      if (this.#stream?.response !== response) return
      this.#stream = undefined
      this.#onLost(this)
    })
    return before !== undefined
  }

  /** False: it will not arrive. */
  send(message: Message): boolean {
    const stream = this.#stream
    if (!stream || stream.response.writableLength > MOST_WAITING_BYTES) return false
    this.#write(stream.response, stream.encoder.encode(message))
    witnessEntries(message, stream.response.socket)
    return true
  }

  stop(): void {
    clearInterval(this.#timer)
    const stream = this.#stream
    this.#stream = undefined
    stream?.response.end()
  }

  #write(response: ServerResponse, bytes: Buffer): void {
    response.write(bytes)
    this.#onSent(bytes.length)
  }
}

/**
 * SPDY/3.1 over a connection that was upgraded to it, as exec, attach and port-forward use it: either end opens streams, and
 * nobody minds windows (moby/spdystream has none). SPDY Protocol, Draft 3.1.
 */
import type { Duplex } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import { HeaderReader, HeaderWriter, type SpdyHeaders } from './spdy-headers.ts'

const SYN_STREAM = 1
const SYN_REPLY = 2
const RST_STREAM = 3
const PING = 6
const GOAWAY = 7
const HEADERS = 8

const FIN = 1
const CANCEL = 5
const HEAD_LENGTH = 8
const ID_MASK = 0x7fffffff
const MOST_DATA = 0xffffff

export interface SpdySessionOptions {
  role: 'client' | 'server'
  /** Called for each stream that the other end opens; whoever takes it replies to it or resets it. */
  onStream?: (stream: SpdyStream) => void
}

export class SpdySession {
  readonly #transport: Duplex
  readonly #options: SpdySessionOptions
  readonly #reader = new HeaderReader()
  readonly #writer = new HeaderWriter()
  readonly #streams = new Map<number, SpdyStream>()
  readonly #gone = new AbortController()
  #pending: Buffer[] = []
  #pendingLength = 0
  #nextId: number
  #lastHeard = 0

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.#transport = transport
    this.#options = options
    this.#nextId = options.role === 'client' ? 1 : 2
    transport.on('error', () => transport.destroy())
    transport.on('data', (bytes: Buffer) => this.#take(bytes))
    transport.on('end', () => transport.end())
    transport.on('close', () => {
      for (const stream of this.#streams.values()) stream.input.end()
      this.#gone.abort()
    })
  }

  /** Aborted once the connection is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** Opens a stream. The other end's refusal is its input's end. */
  open(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextId
    this.#nextId += 2
    const stream = this.#stream(id, headers)
    // no associated stream, priority 0
    this.#control(SYN_STREAM, 0, Buffer.concat([uint32(id), Buffer.alloc(6), this.#writer.write(headers)]))
    return stream
  }

  /** Says goodbye and ends the connection. */
  close(): void {
    if (this.#transport.writableEnded) return
    this.#control(GOAWAY, 0, Buffer.concat([uint32(this.#lastHeard), uint32(0)]))
    this.#transport.end()
  }

  #stream(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(id, headers, {
      reply: () => this.#control(SYN_REPLY, 0, Buffer.concat([uint32(id), this.#writer.write(new Map())])),
      reset: () => {
        this.#streams.delete(id)
        this.#control(RST_STREAM, 0, Buffer.concat([uint32(id), uint32(CANCEL)]))
      },
      data: (bytes, isLast) => {
        const head = Buffer.alloc(HEAD_LENGTH)
        head.writeUInt32BE(id, 0)
        head[4] = isLast ? FIN : 0
        head.writeUIntBE(bytes.length, 5, 3)
        this.#write(bytes.length === 0 ? head : Buffer.concat([head, bytes]))
      },
    })
    this.#streams.set(id, stream)
    return stream
  }

  #take(bytes: Buffer): void {
    this.#pending.push(bytes)
    this.#pendingLength += bytes.length
    try {
      for (let frame = this.#nextFrame(); frame; frame = this.#nextFrame()) this.#handle(frame)
    } catch {
      // not SPDY, or a header block that does not expand
      this.#transport.destroy()
    }
  }

  #nextFrame(): Buffer | undefined {
    if (this.#pendingLength < HEAD_LENGTH) return undefined
    if (this.#pending[0]!.length < HEAD_LENGTH) this.#pending = [Buffer.concat(this.#pending)]
    const length = HEAD_LENGTH + this.#pending[0]!.readUIntBE(5, 3)
    if (this.#pendingLength < length) return undefined
    const all = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending)
    this.#pending = all.length > length ? [all.subarray(length)] : []
    this.#pendingLength = all.length - length
    return all.subarray(0, length)
  }

  #handle(frame: Buffer): void {
    const flags = frame[4]!
    const body = frame.subarray(HEAD_LENGTH)
    if ((frame[0]! & 0x80) === 0) {
      const stream = this.#streams.get(frame.readUInt32BE(0) & ID_MASK)
      stream?.input.push(body)
      if (flags & FIN) stream?.input.end()
      return
    }
    const type = frame.readUInt16BE(2)
    if (type === PING) return this.#control(PING, 0, body)
    if (type !== SYN_STREAM && type !== SYN_REPLY && type !== RST_STREAM && type !== HEADERS) return
    const id = body.readUInt32BE(0) & ID_MASK
    if (type === SYN_STREAM) {
      this.#lastHeard = id
      const stream = this.#stream(id, this.#reader.read(body.subarray(10)))
      if (flags & FIN) stream.input.end()
      if (this.#options.onStream) this.#options.onStream(stream)
      else stream.reset()
    } else if (type === RST_STREAM) {
      this.#streams.get(id)?.input.end()
      this.#streams.delete(id)
    } else {
      // read even of a stream that is no more: the blocks of a direction are one text
      this.#reader.read(body.subarray(4))
      if (flags & FIN) this.#streams.get(id)?.input.end()
    }
  }

  #control(type: number, flags: number, body: Buffer): void {
    const head = Buffer.alloc(HEAD_LENGTH)
    head.writeUInt16BE(0x8003, 0)
    head.writeUInt16BE(type, 2)
    head[4] = flags
    head.writeUIntBE(body.length, 5, 3)
    this.#write(Buffer.concat([head, body]))
  }

  #write(bytes: Buffer): void {
    if (this.#transport.writable) this.#transport.write(bytes)
  }
}

interface Sender {
  reply: () => void
  reset: () => void
  data: (bytes: Buffer, isLast: boolean) => void
}

export class SpdyStream {
  readonly id: number
  readonly headers: SpdyHeaders
  /** What the other end writes; ends with its FIN, its RST_STREAM, or the connection. */
  readonly input = new ByteQueue()
  readonly #sender: Sender
  #isOver = false

  constructor(id: number, headers: SpdyHeaders, sender: Sender) {
    this.id = id
    this.headers = headers
    this.#sender = sender
  }

  reply(): void {
    this.#sender.reply()
  }

  write(bytes: Buffer): void {
    for (let at = 0; !this.#isOver && at < bytes.length; at += MOST_DATA) {
      this.#sender.data(bytes.subarray(at, at + MOST_DATA), false)
    }
  }

  /** Closes this end's half. */
  end(): void {
    if (!this.#isOver) this.#sender.data(Buffer.alloc(0), true)
    this.#isOver = true
  }

  /** Ends both halves at once, as Go's Reset does. */
  reset(): void {
    this.#isOver = true
    this.input.end()
    this.#sender.reset()
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

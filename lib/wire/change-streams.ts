/**
 * Changes what a remote command types and prints as it passes: the data of SPDY's streams and of WebSocket's channels, whole frame by
 * whole frame and of any length, while everything around it stays. For whoever ends the connection's TLS (lib/wire/intercept.ts).
 */
import { HeaderReader } from '../kube/spdy-headers.ts'
import type { Intercepted, InterceptOptions } from './intercept.ts'
import type { Direction } from './relay.ts'
import { FrameReader, frameOf, OPCODE } from './websocket-frames.ts'

/** What passes instead of a piece of `stdin`, `stdout`, `stderr`, `error` or `resize`, or of a port-forward's `data`. */
export type ChangeStream = (stream: string, bytes: Buffer) => Buffer

/** An interceptor's `pass`. Requests, and connections that are never upgraded, pass as they are. */
export function changeStreams(change: ChangeStream): NonNullable<InterceptOptions['pass']> {
  const known = new WeakMap<Intercepted, UpgradedPassage>()
  return (way, chunk, connection) => {
    const passage = known.get(connection) ?? new UpgradedPassage(change)
    known.set(connection, passage)
    return passage.push(way, chunk)
  }
}

/** What has no end until then is no head. */
const LONGEST_HEAD_BYTES = 64 * 1024

/** Both ways of one connection. A client of either protocol says nothing more until it has seen the 101. */
class UpgradedPassage {
  readonly #change: ChangeStream
  #head: Buffer | undefined = Buffer.alloc(0)
  #frames: Record<Direction, Frames> | undefined

  constructor(change: ChangeStream) {
    this.#change = change
  }

  push(way: Direction, chunk: Buffer): Buffer {
    if (this.#frames) return this.#frames[way].push(chunk)
    if (way === 'toCallee' || this.#head === undefined) return chunk
    this.#head = Buffer.concat([this.#head, chunk])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) {
      if (this.#head.length > LONGEST_HEAD_BYTES) this.#head = undefined
      return chunk
    }
    const rest = this.#head.subarray(end + 4)
    this.#frames = framesAfter(this.#head.toString('latin1', 0, end), this.#change)
    this.#head = undefined
    if (this.#frames === undefined) return chunk
    // What of the head came in this piece, and the frames behind it.
    return Buffer.concat([chunk.subarray(0, chunk.length - rest.length), this.#frames.toCaller.push(rest)])
  }
}

interface Frames {
  push(chunk: Buffer): Buffer
}

function framesAfter(head: string, change: ChangeStream): Record<Direction, Frames> | undefined {
  const upgrade = /^HTTP\/1\.1 101 [^]*^upgrade: *(\S+)/im.exec(head)?.[1]?.toLowerCase()
  if (upgrade === 'spdy/3.1') {
    const names = new Map<number, string>()
    return { toCallee: new SpdyFrames(names, change), toCaller: new SpdyFrames(names, change) }
  }
  // A port-forward's messages are SPDY again, base64's channels are text: neither is read here.
  if (upgrade !== 'websocket' || !/^sec-websocket-protocol: *(v\d\.)?channel\.k8s\.io/im.test(head)) return undefined
  return { toCallee: new ChannelFrames(true, change), toCaller: new ChannelFrames(false, change) }
}

const SYN_STREAM = 1
const HEADERS = 8
const HEAD_BYTES = 8

/** SPDY Protocol, Draft 3.1, section 2.2. Control frames pass untouched: the header blocks of a direction are one compressed text. */
class SpdyFrames implements Frames {
  /** Streams of both ways, by what their headers call them. */
  readonly #names: Map<number, string>
  readonly #change: ChangeStream
  readonly #reader = new HeaderReader()
  #pending: Buffer = Buffer.alloc(0)

  constructor(names: Map<number, string>, change: ChangeStream) {
    this.#names = names
    this.#change = change
  }

  push(chunk: Buffer): Buffer {
    this.#pending = Buffer.concat([this.#pending, chunk])
    const passed: Buffer[] = []
    while (this.#pending.length >= HEAD_BYTES) {
      const length = HEAD_BYTES + this.#pending.readUIntBE(5, 3)
      if (this.#pending.length < length) break
      passed.push(this.#frame(this.#pending.subarray(0, length)))
      this.#pending = this.#pending.subarray(length)
    }
    return Buffer.concat(passed)
  }

  #frame(frame: Buffer): Buffer {
    const body = frame.subarray(HEAD_BYTES)
    if (frame.readUInt8(0) & 0x80) {
      this.#remember(frame.readUInt16BE(2), body)
      return frame
    }
    const name = this.#names.get(frame.readUInt32BE(0))
    if (name === undefined || body.length === 0) return frame
    const changed = this.#change(name, body)
    const head = Buffer.from(frame.subarray(0, HEAD_BYTES))
    head.writeUIntBE(changed.length, 5, 3)
    return Buffer.concat([head, changed])
  }

  #remember(type: number, body: Buffer): void {
    try {
      if (type === HEADERS) this.#reader.read(body.subarray(4))
      if (type !== SYN_STREAM) return
      const name = this.#reader.read(body.subarray(10)).get('streamtype')
      if (name !== undefined) this.#names.set(body.readUInt32BE(0), name)
    } catch {
      // no header block: the stream stays without a name, and passes as it is
    }
  }
}

/** apimachinery/pkg/util/remotecommand/constants.go, by number. */
const CHANNELS = ['stdin', 'stdout', 'stderr', 'error', 'resize']

class ChannelFrames implements Frames {
  readonly #isMasked: boolean
  readonly #change: ChangeStream
  readonly #reader = new FrameReader()

  constructor(isMasked: boolean, change: ChangeStream) {
    this.#isMasked = isMasked
    this.#change = change
  }

  push(chunk: Buffer): Buffer {
    const frames = this.#reader.push(chunk).map(({ opcode, fin, payload }) => {
      const channel = CHANNELS[payload[0] ?? -1]
      // Nobody sends a channel's message in fragments.
      const isMessage = opcode === OPCODE.binary && fin && channel !== undefined && payload.length > 1
      const changed = isMessage
        ? Buffer.concat([payload.subarray(0, 1), this.#change(channel, payload.subarray(1))])
        : payload
      return frameOf({ opcode, fin, payload: changed }, this.#isMasked)
    })
    return Buffer.concat(frames)
  }
}

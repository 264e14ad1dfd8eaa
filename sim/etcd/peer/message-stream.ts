/** The two encodings of rafthttp's streams (msg_codec.go, msgappv2_codec.go), which run from the dialled member to the dialler. */
import { decodeEntry, encodeEntry } from '../../../lib/etcd/raft-entry.ts'
import { message, type Message, type NodeId } from '../raft/message.ts'
import { FrameReader } from './frame-reader.ts'
import { decodeMessage, encodeMessage } from './raft-message.ts'

export type StreamKind = 'message' | 'msgapp'

/** Keeps the line from falling asleep; Raft never hears of it. */
const LINK_HEARTBEAT = message('heartbeat', 0n)

export function isLinkHeartbeat({ type, from, to }: Message): boolean {
  return type === 'heartbeat' && from === 0n && to === 0n
}

export interface MessageEncoder {
  heartbeat(): Buffer
  encode(message: Message): Buffer
}

export interface MessageDecoder {
  /** Messages that are whole by now. @throws Error for what can be none. */
  push(piece: Buffer): Message[]
}

/** 8 bytes of length, and a message. */
export function messageFrame(message: Message): Buffer {
  const bytes = encodeMessage(message)
  return Buffer.concat([uint64(bytes.length), bytes])
}

class PlainEncoder implements MessageEncoder {
  heartbeat(): Buffer {
    return messageFrame(LINK_HEARTBEAT)
  }

  encode(message: Message): Buffer {
    return messageFrame(message)
  }
}

class PlainDecoder implements MessageDecoder {
  readonly #reader = new FrameReader()

  push(piece: Buffer): Message[] {
    this.#reader.push(piece)
    const messages: Message[] = []
    for (let frame = this.#reader.frame(); frame; frame = this.#reader.frame()) {
      messages.push(decodeMessage(frame))
      this.#reader.commit()
    }
    this.#reader.rewind()
    return messages
  }
}

const HEARTBEAT = 0
const ENTRIES = 1
const MESSAGE = 2

/** Says of entries that follow on the last ones only what is new: the entries, and how far the leader has committed. */
class AppendEncoder implements MessageEncoder {
  #term = 0
  #index = 0

  heartbeat(): Buffer {
    return Buffer.of(HEARTBEAT)
  }

  encode(message: Message): Buffer {
    const { term, logTerm, index, entries, commit } = message
    const follows = index === this.#index && logTerm === this.#term && logTerm === term
    this.#index = entries.at(-1)?.index ?? index
    if (!follows) {
      this.#term = term
      return Buffer.concat([Buffer.of(MESSAGE), messageFrame(message)])
    }
    const parts = [Buffer.of(ENTRIES), uint64(entries.length)]
    for (const entry of entries) {
      const bytes = encodeEntry(entry)
      parts.push(uint64(bytes.length), bytes)
    }
    return Buffer.concat([...parts, uint64(commit)])
  }
}

class AppendDecoder implements MessageDecoder {
  readonly #reader = new FrameReader()
  readonly #local: NodeId
  readonly #remote: NodeId
  #term = 0
  #index = 0

  constructor(local: NodeId, remote: NodeId) {
    this.#local = local
    this.#remote = remote
  }

  push(piece: Buffer): Message[] {
    this.#reader.push(piece)
    const messages: Message[] = []
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next !== 'heartbeat') messages.push(next)
      this.#reader.commit()
    }
    this.#reader.rewind()
    return messages
  }

  #next(): Message | 'heartbeat' | undefined {
    const kind = this.#reader.bytes(1)?.[0]
    if (kind === undefined) return undefined
    if (kind === HEARTBEAT) return 'heartbeat'
    if (kind === ENTRIES) return this.#entries()
    if (kind !== MESSAGE) throw new Error(`failed to parse type ${kind} in msgappv2 stream`)
    const frame = this.#reader.frame()
    if (!frame) return undefined
    const message = decodeMessage(frame)
    this.#term = message.term
    this.#index = message.entries.at(-1)?.index ?? message.index
    return message
  }

  #entries(): Message | undefined {
    const count = this.#reader.uint64()
    if (count === undefined) return undefined
    const entries: Message['entries'][number][] = []
    for (let at = 0; at < count; at++) {
      const frame = this.#reader.frame()
      if (!frame) return undefined
      entries.push(decodeEntry(frame))
    }
    const commit = this.#reader.uint64()
    if (commit === undefined) return undefined
    const [term, index] = [this.#term, this.#index]
    this.#index += count
    return message('append', this.#local, { from: this.#remote, term, logTerm: term, index, entries, commit })
  }
}

export function encoderOf(kind: StreamKind): MessageEncoder {
  return kind === 'msgapp' ? new AppendEncoder() : new PlainEncoder()
}

export function decoderOf(kind: StreamKind, local: NodeId, remote: NodeId): MessageDecoder {
  return kind === 'msgapp' ? new AppendDecoder(local, remote) : new PlainDecoder()
}

function uint64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

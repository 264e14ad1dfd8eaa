/**
 * A member that an etcd client added and nobody runs: it dials the stream that a leader keeps for it, says that it has nothing,
 * and is sent the log from its first entry on.
 */
import { decodeEntry, type RaftEntry } from '../etcd/raft-entry.ts'
import { readProto } from '../etcd/protobuf.ts'
import { patiently } from './etcd.ts'
import { groupOf, headersOf, MESSAGE_TYPE, tell, type Group, type Member, type Told } from './raft-peer.ts'
import type { Loot, World } from './world.ts'

const LOOK_MS = 250
/** How long a leader may take to send what it holds. */
const CATCH_UP_MS = 3000

/** Adds a learner, takes the log that the leader sends it, and has it removed. `as` opens the client port. */
export async function learn(world: World, as: string): Promise<Loot> {
  // Not by the gateway, which is shut out itself where clients must have a certain name.
  const etcd = await world.etcd(world.network.etcd[0] ?? '', as)
  const { protocol } = new URL(world.network.etcdPeers[0] ?? '')
  // No member has it, and nobody has to answer there.
  const url = `${protocol}//${world.network.own.face}:2390`
  const id = await patiently(() => etcd.addLearner(url))
  if (id === undefined) return []
  try {
    const group = await groupOf(world)
    return group ? await catchUp(world, group, { id: id.toString(16), url }) : []
  } finally {
    await etcd.removeMember(id)
  }
}

/** How much of the log it has, and how much there was when it was first spoken to. */
interface Log {
  last: number
  wanted: number
}

/** Listens to all members at once: whoever leads speaks. */
async function catchUp(world: World, group: Group, me: Member): Promise<Loot> {
  const end = performance.now() + CATCH_UP_MS
  const loot: Buffer[] = []
  const log: Log = { last: 0, wanted: Infinity }
  const others = group.members.filter(({ id }) => id !== me.id)
  // What a leader said before there was a stream is lost, and it says no more until it hears from the follower.
  const callOn = async (at: Member): Promise<void> => {
    while (log.last === 0 && performance.now() < end) {
      await tell(world, group, { type: MESSAGE_TYPE.heartbeatResponse, from: me, to: at, term: 0 })
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
  await Promise.all([
    ...others.map(callOn),
    ...others.map(async (at) => {
      while (log.last < log.wanted && performance.now() < end) {
        const reader = new AppendReader()
        const { status, pieces } = await world.follow(at.url, {
          path: `/raft/stream/msgapp/${me.id}`,
          headers: headersOf(group, me, at),
          forMs: end - performance.now(),
          until: (piece) => {
            for (const append of reader.push(piece))
              void tell(world, group, { from: me, to: at, ...answerTo(append, log) })
            return log.last >= log.wanted
          },
        })
        loot.push(...pieces)
        // A member that has not applied the change yet does not know its new peer.
        if (status !== 200 && status !== 404) return
        if (status === 404) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    }),
  ])
  return loot
}

/** What does not follow on the last entry is refused, so that the leader goes back to the first; what does is acknowledged. */
function answerTo({ term, index, entries }: Append, log: Log): Omit<Told, 'from' | 'to'> {
  const type = MESSAGE_TYPE.appendResponse
  if (index !== log.last) {
    log.wanted = Math.min(log.wanted, index)
    return { type, term, index, reject: true }
  }
  log.last = entries.at(-1)?.index ?? index
  return { type, term, index: log.last }
}

interface Append {
  term: number
  /** Of the entry before. */
  index: number
  entries: RaftEntry[]
}

/** Frames of rafthttp's msgappv2 stream (msgappv2_codec.go): a byte that says what follows, and lengths of 8 bytes. */
const FRAME = { heartbeat: 0, entries: 1, message: 2 } as const
const LENGTH = 8

class AppendReader {
  #bytes = Buffer.alloc(0)
  #term = 0
  #last = 0

  /** What is whole by now. */
  push(piece: Buffer): Append[] {
    this.#bytes = Buffer.concat([this.#bytes, piece])
    const appends: Append[] = []
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#bytes = this.#bytes.subarray(next.end)
      if (!next.append) continue
      this.#term = next.append.term
      this.#last = next.append.entries.at(-1)?.index ?? next.append.index
      appends.push(next.append)
    }
    return appends
  }

  #next(): { end: number; append?: Append } | undefined {
    const kind = this.#bytes[0]
    if (kind === FRAME.heartbeat) return { end: 1 }
    if (kind === FRAME.entries) return this.#entries()
    const whole = kind === FRAME.message ? this.#lengthy(1) : undefined
    return whole && { end: whole.end, append: appendOf(whole.content) }
  }

  /** Entries that follow on the message before: only they, and how far all is committed. */
  #entries(): { end: number; append: Append } | undefined {
    const count = this.#number(1)
    if (count === undefined) return undefined
    const append: Append = { term: this.#term, index: this.#last, entries: [] }
    let end = 1 + LENGTH
    for (let at = 0; at < count; at++) {
      const entry = this.#lengthy(end)
      if (!entry) return undefined
      append.entries.push(decodeEntry(entry.content))
      end = entry.end
    }
    return this.#number(end) === undefined ? undefined : { end: end + LENGTH, append }
  }

  #lengthy(at: number): { content: Buffer; end: number } | undefined {
    const start = at + LENGTH
    const end = start + (this.#number(at) ?? Infinity)
    return end > this.#bytes.length ? undefined : { content: this.#bytes.subarray(start, end), end }
  }

  #number(at: number): number | undefined {
    return at + LENGTH > this.#bytes.length ? undefined : Number(this.#bytes.readBigUInt64BE(at))
  }
}

function appendOf(bytes: Buffer): Append {
  const append: Append = { term: 0, index: 0, entries: [] }
  readProto(bytes, ({ field, number, bytes: content }) => {
    if (field === 4) append.term = number
    else if (field === 6) append.index = number
    else if (field === 7) append.entries.push(decodeEntry(content))
  })
  return append
}

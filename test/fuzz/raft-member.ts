/** A member in a simulated world: a Raft, a disk that keeps what was written before a crash, and a few registers. */
import { CONF_CHANGE, ENTRY_TYPE, voters as votersOnly } from '../../lib/etcd/raft-entry.ts'
import { Configuration, type VoterChange } from '../../sim/etcd/raft/configuration.ts'
import type { Entry, HardState, Message, NodeId, Snapshot } from '../../sim/etcd/raft/message.ts'
import { RaftLog } from '../../sim/etcd/raft/raft-log.ts'
import { Raft, type Ready } from '../../sim/etcd/raft/raft.ts'
import type { Random } from './random.ts'

export interface RaftTuning {
  preVote: boolean
  checkQuorum: boolean
  mostMessageBytes: number
  mostInflight: number
}

interface Disk {
  hardState: HardState
  snapshot: Snapshot
  compacted: { index: number; term: number }
  entries: Entry[]
}

const ELECTION_TICKS = 10

export class RaftMember {
  readonly id: NodeId
  readonly #tuning: RaftTuning
  readonly #random: Random
  #disk: Disk
  raft: Raft
  isUp = true
  /** Its disk is gone, or its process has ended for good. */
  isGone = false
  /** Taken out of the group. */
  isRemoved = false
  /** Stopped as by SIGSTOP: what it is sent waits. */
  isPaused = false
  readonly inbox: Message[] = []
  /** Grows with each crash, so that what was under way before it is known to be stale. */
  life = 0
  isWriting = false
  /** What goes on once it is no longer stopped. */
  readonly resumed: (() => void)[] = []
  waitingReads: { index: number; context: string }[] = []
  registers = new Map<string, string>()
  appliedIndex = 0
  readonly #told: (line: string) => void

  constructor(
    id: NodeId,
    voters: readonly NodeId[],
    { tuning, random, tell }: { tuning: RaftTuning; random: Random; tell: (line: string) => void },
  ) {
    this.id = id
    this.#tuning = tuning
    this.#random = random
    this.#told = tell
    const isFirst = voters.length > 0
    const start = { index: isFirst ? 1 : 0, term: isFirst ? 1 : 0 }
    this.#disk = {
      hardState: { term: start.term, vote: 0n, commit: start.index },
      snapshot: { ...start, confState: votersOnly(...voters), data: Buffer.from('{}') },
      compacted: start,
      entries: [],
    }
    this.raft = this.#start()
  }

  get isRunning(): boolean {
    return this.isUp && !this.isPaused
  }

  /** Loses everything but its disk; of what was being written, `written` reached it. */
  crash(written: Ready | undefined): void {
    this.isUp = false
    this.isPaused = false
    this.isWriting = false
    this.inbox.length = 0
    this.resumed.length = 0
    this.waitingReads = []
    this.life++
    if (!written || this.#random.chance(0.5)) return
    // A write that tears leaves its first part.
    const kept = this.#random.below(written.entries.length + 2)
    const isWhole = kept > written.entries.length
    const entries = written.entries.slice(0, kept)
    this.write({ ...written, entries, hardState: isWhole ? written.hardState : undefined })
  }

  restart(): void {
    this.isUp = true
    this.raft = this.#start()
  }

  /** What a broken disk, or an operator who knows no better, would do. */
  forgetVote(): void {
    this.#disk.hardState = { ...this.#disk.hardState, vote: 0n }
  }

  write({ snapshot, entries, hardState }: Ready): void {
    const disk = this.#disk
    if (snapshot) {
      disk.snapshot = snapshot
      disk.compacted = { index: snapshot.index, term: snapshot.term }
      disk.entries = []
      disk.hardState = { ...disk.hardState, commit: Math.max(disk.hardState.commit, snapshot.index) }
    }
    const first = entries[0]
    if (first) {
      disk.entries.length = first.index - disk.compacted.index - 1
      disk.entries.push(...entries)
    }
    if (hardState) disk.hardState = hardState
  }

  /** Applies what is ready; calls back for each register written, and each change of the membership. */
  apply(
    ready: Ready,
    onWrite: (operation: string) => void,
    onChange: (change: VoterChange, index: number) => void,
  ): void {
    if (ready.snapshot) this.#load(ready.snapshot)
    for (const { type, index, data } of ready.committed) {
      this.appliedIndex = index
      if (type !== ENTRY_TYPE.normal) {
        const change = parseChange(data)
        this.raft.applyConfChange(change)
        onChange(change, index)
        continue
      }
      if (data.length === 0) continue
      const [operation, register, value] = data.toString().split(' ') as [string, string, string]
      this.registers.set(register, value)
      onWrite(operation)
    }
  }

  /** Saves a snapshot and drops the log up to `keep` entries before it. */
  compact(keep: number): void {
    const { raft } = this
    const snapshot = this.#snapshot()
    if (!snapshot || snapshot.index <= this.#disk.snapshot.index) return
    this.#disk.snapshot = snapshot
    const upTo = Math.min(snapshot.index - keep, raft.log.applied)
    const term = raft.log.termAt(upTo)
    if (term === undefined || upTo <= this.#disk.compacted.index) return
    raft.log.compact(upTo)
    this.#disk.entries = this.#disk.entries.filter(({ index }) => index > upTo)
    this.#disk.compacted = { index: upTo, term }
  }

  #snapshot(): Snapshot | undefined {
    const { raft, appliedIndex: index } = this
    const term = raft.log.termAt(index)
    if (index === 0 || term === undefined) return undefined
    return {
      index,
      term,
      confState: raft.confState,
      data: Buffer.from(JSON.stringify(Object.fromEntries(this.registers))),
    }
  }

  #load({ index, data }: Snapshot): void {
    this.appliedIndex = index
    this.registers = new Map(Object.entries(JSON.parse(data.toString()) as Record<string, string>))
  }

  #start(): Raft {
    const { hardState, snapshot, compacted, entries } = this.#disk
    this.#load(snapshot)
    const committed = Math.max(hardState.commit, snapshot.index)
    const log = new RaftLog({ compacted, entries, committed, applied: snapshot.index })
    return new Raft({
      id: this.id,
      log,
      hardState: { ...hardState, commit: committed },
      configuration: new Configuration(snapshot.confState),
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 3,
      random: (limit) => this.#random.below(limit),
      ...this.#tuning,
      snapshot: () => this.#snapshot(),
      tell: this.#told,
    })
  }
}

/** `addNode 4` */
export function parseChange(data: Buffer): VoterChange {
  const [kind, id] = data.toString().split(' ') as [keyof typeof CONF_CHANGE, string]
  return { type: CONF_CHANGE[kind], nodeId: BigInt(id) }
}

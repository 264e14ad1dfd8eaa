/** Requests on their way through the log: handed to Raft together, tried again while nobody leads, and answered when applied. */

export interface Proposal {
  id: bigint
  /** lib/etcd/raft-entry.ts, ENTRY_TYPE. */
  type: number
  data: Buffer
  /** For the state machine, so that what this member proposed need not be decoded again. */
  known?: unknown
}

interface Waiting<Result> {
  proposal: Proposal
  /** Raft has it: whether it will be applied is not known any more. */
  isTaken: boolean
  deadlineMs: number
  resolve: (result: Result) => void
  reject: (error: Error) => void
}

export interface ProposalErrors {
  /** Nobody took it. */
  notTaken: () => Error
  /** It was taken and has not been applied in time; it may be still. */
  notApplied: () => Error
  stopped: () => Error
}

export class Proposals<Result> {
  readonly #waiting = new Map<bigint, Waiting<Result>>()
  readonly #take: (proposals: readonly Proposal[]) => boolean
  readonly #errors: ProposalErrors
  #queue: Waiting<Result>[] = []
  #isScheduled = false

  constructor(take: (proposals: readonly Proposal[]) => boolean, errors: ProposalErrors) {
    this.#take = take
    this.#errors = errors
  }

  add(proposal: Proposal, timeoutMs: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = { proposal, isTaken: false, deadlineMs: Date.now() + timeoutMs, resolve, reject }
      this.#waiting.set(proposal.id, waiting)
      this.#queue.push(waiting)
      if (this.#isScheduled) return
      this.#isScheduled = true
      // At the end of the turn: what came with it makes one message, one write and one fsync.
      setImmediate(() => {
        this.#isScheduled = false
        this.flush()
      })
    })
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  known(id: bigint): unknown {
    return this.#waiting.get(id)?.proposal.known
  }

  applied(id: bigint, result: Result): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    waiting.resolve(result)
  }

  /** Hands over what waits; somebody may lead now. */
  flush(): void {
    const queue = this.#queue
    if (queue.length === 0 || !this.#take(queue.map(({ proposal }) => proposal))) return
    this.#queue = []
    for (const waiting of queue) waiting.isTaken = true
  }

  /** Called with each tick. */
  tick(): void {
    const nowMs = Date.now()
    for (const [id, { deadlineMs, isTaken, reject }] of this.#waiting) {
      // In the order of their deadlines, which are all as far away.
      if (deadlineMs > nowMs) break
      this.#waiting.delete(id)
      reject(isTaken ? this.#errors.notApplied() : this.#errors.notTaken())
    }
    this.#queue = this.#queue.filter(({ deadlineMs }) => deadlineMs > nowMs)
    this.flush()
  }

  stop(): void {
    for (const { reject } of this.#waiting.values()) reject(this.#errors.stopped())
    this.#waiting.clear()
    this.#queue = []
  }
}

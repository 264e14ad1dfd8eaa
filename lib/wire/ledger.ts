import { matchesLink, type Link, type LinkFilter } from './link.ts'

/**
 * How a connection ended. `refused: route`: the network policy; `refused: back`: nobody listens behind the face any
 * more, or the dial failed; `cut`: the wire itself broke it, on command.
 */
export type Ending = 'closed' | 'reset by caller' | 'reset by callee' | 'refused: route' | 'refused: back' | 'cut'

/** One connection that the wire carried or refused. Ends are `ip:port`; times are milliseconds since the epoch. */
export interface LedgerEntry extends Link {
  id: number
  /** The caller's own end, as the caller knows it. */
  callerLocal: string
  /** What the caller dialled: a face. */
  faceRemote: string
  /** The wire's end towards the callee: what the component sees as its remote. Absent until that side stands. */
  wireLocal?: string
  /** The far end of that side: the back, or where the link was diverted to. */
  back?: string
  openedMs: number
  closedMs?: number
  bytesToCallee: number
  bytesToCaller: number
  ended?: Ending
  /** The network sent this connection elsewhere. */
  diverted: boolean
  /** The network let something go wrong on it, on purpose. */
  faulted: boolean
  /** A tap heard this connection, or a part of it. */
  tapped: boolean
}

/** A connection as one of its ends knows it. */
export interface View {
  /** As the component saw it, or as the caller saw it. */
  by: 'component' | 'caller'
  local: string
  remote: string
  /** Some moment while it was open; without one the newest such connection is meant. */
  atMs?: number
}

export interface LedgerQuery extends LinkFilter {
  /** Entries with a greater id only: take the last id before an attempt, ask for what came after it. */
  afterId?: number
}

/** Entries kept before the oldest is forgotten: far more than one scenario makes. */
const CAPACITY = 100_000

/** Time by which a witness and the wire may disagree: both read the same clock, rounded to milliseconds. */
const SLACK_MS = 2

export class Ledger {
  readonly #entries = new Map<number, LedgerEntry>()
  readonly #byEnds = new Map<string, number[]>()
  readonly #whenClosed = new Set<() => void>()
  readonly #capacity: number
  #lastId = 0

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity
  }

  get lastId(): number {
    return this.#lastId
  }

  add(facts: Link & Pick<LedgerEntry, 'callerLocal' | 'faceRemote'>): LedgerEntry {
    const entry: LedgerEntry = {
      id: ++this.#lastId,
      ...facts,
      openedMs: Date.now(),
      bytesToCallee: 0,
      bytesToCaller: 0,
      diverted: false,
      faulted: false,
      tapped: false,
    }
    this.#entries.set(entry.id, entry)
    this.#index(callerKey(entry), entry.id)
    if (this.#entries.size > this.#capacity) this.#forgetOldest()
    return entry
  }

  /** Notes the side towards the callee, once it stands. */
  reached(entry: LedgerEntry, wireLocal: string, back: string): void {
    entry.wireLocal = wireLocal
    entry.back = back
    if (this.#entries.has(entry.id)) this.#index(componentKey(entry), entry.id)
  }

  close(entry: LedgerEntry, ended: Ending): void {
    if (entry.ended !== undefined) return
    entry.ended = ended
    entry.closedMs = Date.now()
    for (const listener of this.#whenClosed) listener()
  }

  query(query: LedgerQuery): LedgerEntry[] {
    const after = query.afterId ?? 0
    return [...this.#entries.values()].filter((entry) => entry.id > after && matchesLink(query, entry))
  }

  find(view: View): LedgerEntry | undefined {
    const ids = this.#byEnds.get(`${view.by} ${view.local} ${view.remote}`) ?? []
    const entries = ids.map((id) => this.#entries.get(id)).filter((entry) => entry !== undefined)
    const { atMs } = view
    if (atMs === undefined) return entries.at(-1)
    return entries.findLast(
      (entry) =>
        entry.openedMs <= atMs + SLACK_MS && (entry.closedMs === undefined || entry.closedMs >= atMs - SLACK_MS),
    )
  }

  /** Resolves once every entry of the query is closed, or at the deadline; either way with the entries. */
  async settled(query: LedgerQuery, deadlineMs: number): Promise<LedgerEntry[]> {
    const done = () => this.query(query).every((entry) => entry.ended !== undefined)
    if (!done()) {
      await new Promise<void>((resolve) => {
        const finish = () => {
          clearTimeout(timer)
          this.#whenClosed.delete(check)
          resolve()
        }
        const check = () => {
          if (done()) finish()
        }
        const timer = setTimeout(finish, deadlineMs)
        this.#whenClosed.add(check)
      })
    }
    return this.query(query)
  }

  #index(key: string, id: number): void {
    const ids = this.#byEnds.get(key)
    if (ids === undefined) this.#byEnds.set(key, [id])
    else ids.push(id)
  }

  #forgetOldest(): void {
    const oldest = this.#entries.values().next().value
    if (oldest === undefined) return
    this.#entries.delete(oldest.id)
    for (const key of [callerKey(oldest), componentKey(oldest)]) {
      const rest = this.#byEnds.get(key)?.filter((id) => id !== oldest.id) ?? []
      if (rest.length > 0) this.#byEnds.set(key, rest)
      else this.#byEnds.delete(key)
    }
  }
}

function callerKey(entry: LedgerEntry): string {
  return `caller ${entry.callerLocal} ${entry.faceRemote}`
}

function componentKey(entry: LedgerEntry): string {
  return `component ${entry.back ?? ''} ${entry.wireLocal ?? ''}`
}

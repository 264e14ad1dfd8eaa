/** Hands each revision to those who watch its keys: by key where they watch one, by looking at all that watch ranges. */
import type { Event } from '../../../lib/etcd/kv_pb.ts'
import type { State } from '../apply/state.ts'
import { Counter, Gauge, type Family } from '../metrics/series.ts'
import { isIn, type KeyRange } from '../mvcc/key-range.ts'
import { keyText, type Commit } from '../mvcc/store.ts'

export interface HubWatcher extends KeyRange {
  /** Events of one revision within the range, in order. */
  tell: (events: Event[], revision: bigint) => void
}

export class WatchHub {
  readonly streams = new Gauge('etcd_debugging_mvcc_watch_stream_total', 'Total number of watch streams.')
  readonly #watchers = new Gauge('etcd_debugging_mvcc_watcher_total', 'Total number of watchers.')
  readonly #sent = new Counter('etcd_debugging_mvcc_events_total', 'Total number of events sent by this member.')
  readonly #byKey = new Map<string, Set<HubWatcher>>()
  readonly #ranges = new Set<HubWatcher>()

  constructor(state: State) {
    state.onCommit((commit) => this.#tell(commit))
  }

  get families(): Family[] {
    return [this.streams, this.#watchers, this.#sent]
  }

  add(watcher: HubWatcher): void {
    this.#watchers.add(1)
    if (watcher.end !== undefined) return void this.#ranges.add(watcher)
    const known = this.#byKey.get(watcher.start)
    if (known) known.add(watcher)
    else this.#byKey.set(watcher.start, new Set([watcher]))
  }

  delete(watcher: HubWatcher): void {
    const known = watcher.end === undefined ? this.#byKey.get(watcher.start) : this.#ranges
    if (known?.delete(watcher)) this.#watchers.add(-1)
    if (watcher.end !== undefined) return
    if (known?.size === 0) this.#byKey.delete(watcher.start)
  }

  #tell({ events, revision }: Commit): void {
    if (this.#byKey.size === 0 && this.#ranges.size === 0) return
    const told = new Map<HubWatcher, Event[]>()
    const add = (watcher: HubWatcher, event: Event): void => {
      const list = told.get(watcher)
      if (list) list.push(event)
      else told.set(watcher, [event])
    }
    for (const event of events) {
      const key = keyText(event.kv!.key)
      for (const watcher of this.#byKey.get(key) ?? []) add(watcher, event)
      for (const watcher of this.#ranges) if (isIn(key, watcher)) add(watcher, event)
    }
    for (const [watcher, list] of told) {
      this.#sent.inc(list.length)
      watcher.tell(list, revision)
    }
  }
}

/** The Watch service: many watches on one stream (server/etcdserver/api/v3rpc/watch.go). */
import { create } from '@bufbuild/protobuf'
import type { Event } from '../../../lib/etcd/kv_pb.ts'
import { EventSchema, Event_EventType } from '../../../lib/etcd/kv_pb.ts'
import {
  WatchCreateRequest_FilterType,
  WatchResponseSchema,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import type { Member } from '../member.ts'
import { endText, isIn } from '../mvcc/key-range.ts'
import { keyText, type Commit } from '../mvcc/store.ts'

interface Watcher {
  id: bigint
  start: string
  end: string | undefined
  request: WatchCreateRequest
  /** Commits from this revision on are still to be told. */
  next: bigint
}

/** etcd's default for --experimental-watch-progress-notify-interval is 10 min; kubeadm sets 5 s. */
export interface WatchSettings {
  progressIntervalMs: number
}

/** Serves one stream until it is closed. `send` must keep order. */
export function serveWatch(member: Member, settings: WatchSettings, send: (response: WatchResponse) => void) {
  const watchers = new Map<bigint, Watcher>()
  let lastId = -1n
  const reply = (
    watchId: bigint,
    rest: Pick<Partial<WatchResponse>, 'created' | 'canceled' | 'cancelReason' | 'compactRevision' | 'events'>,
    revision?: bigint,
  ): void => send(create(WatchResponseSchema, { header: member.header(revision), watchId, ...rest }))

  const tell = (watcher: Watcher, commit: Commit): void => {
    if (commit.revision < watcher.next) return
    watcher.next = commit.revision + 1n
    const events = wanted(watcher, commit)
    if (events.length > 0) reply(watcher.id, { events }, commit.revision)
  }
  const stop = member.onCommit((commit) => {
    for (const watcher of watchers.values()) tell(watcher, commit)
  })
  const timer = setInterval(() => {
    for (const watcher of watchers.values()) if (watcher.request.progressNotify) reply(watcher.id, {})
  }, settings.progressIntervalMs)
  timer.unref()

  /** All that a watch has missed comes in one answer, with the revision of now. */
  const catchUp = (watcher: Watcher): void => {
    const events = member.store.since(watcher.next).flatMap((commit) => wanted(watcher, commit))
    watcher.next = member.store.revision + 1n
    if (events.length > 0) reply(watcher.id, { events })
  }

  const nextId = (): bigint => {
    do lastId += 1n
    while (watchers.has(lastId))
    return lastId
  }

  const open = (request: WatchCreateRequest): void => {
    const chosen = request.watchId
    const [start, end] = [keyText(request.key), endText(request.rangeEnd)]
    if (end !== undefined && end !== '\0' && end <= start) {
      return reply(-1n, { created: true, canceled: true, cancelReason: 'mvcc: watcher range is empty' })
    }
    if (chosen !== 0n && watchers.has(chosen)) {
      const cancelReason = 'mvcc: duplicate watch ID provided on the WatchStream'
      return reply(-1n, { created: true, canceled: true, cancelReason })
    }
    const id = chosen === 0n ? nextId() : chosen
    const { startRevision } = request
    const { store } = member
    reply(id, { created: true })
    if (startRevision > 0n && startRevision <= store.compactedRevision) {
      // The header of this one carries no revision (recorded).
      return reply(id, { canceled: true, compactRevision: store.compactedRevision }, 0n)
    }
    const watcher: Watcher = {
      id,
      start,
      end,
      request,
      next: startRevision > 0n ? startRevision : store.revision + 1n,
    }
    watchers.set(id, watcher)
    if (startRevision > 0n) catchUp(watcher)
  }

  return {
    handle(request: WatchRequest): void {
      const { requestUnion } = request
      if (requestUnion.case === 'createRequest') open(requestUnion.value)
      else if (requestUnion.case === 'progressRequest') {
        // Nobody is told how far the watches are where there are none.
        if (watchers.size > 0) reply(-1n, {})
      } else if (requestUnion.case === 'cancelRequest' && watchers.delete(requestUnion.value.watchId)) {
        reply(requestUnion.value.watchId, { canceled: true })
      }
    },
    close(): void {
      clearInterval(timer)
      stop()
      watchers.clear()
    },
  }
}

/** The events of a commit that a watch asked for, as it asked for them. */
function wanted(watcher: Watcher, commit: Commit): Event[] {
  return commit.events.filter((event) => matches(watcher, event)).map((event) => shaped(watcher, event))
}

function matches(watcher: Watcher, event: Event): boolean {
  const filter =
    event.type === Event_EventType.PUT ? WatchCreateRequest_FilterType.NOPUT : WatchCreateRequest_FilterType.NODELETE
  return isIn(keyText(event.kv!.key), watcher) && !watcher.request.filters.includes(filter)
}

function shaped(watcher: Watcher, event: Event): Event {
  return watcher.request.prevKv || !event.prevKv ? event : create(EventSchema, { type: event.type, kv: event.kv! })
}

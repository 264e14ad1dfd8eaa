/** Many watches on one stream (server/etcdserver/api/v3rpc/watch.go). */
import { create } from '@bufbuild/protobuf'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { EventSchema, Event_EventType, type Event } from '../../../lib/etcd/kv_pb.ts'
import {
  WatchCreateRequest_FilterType,
  WatchResponseSchema,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from '../../../lib/etcd/rpc_pb.ts'
import { ERRORS } from '../errors.ts'
import type { Call } from '../grpc/call.ts'
import type { StreamIn, StreamOut } from '../grpc/method.ts'
import type { Member } from '../member.ts'
import { endText, isIn } from '../mvcc/key-range.ts'
import { keyText } from '../mvcc/store.ts'
import { fragments } from './fragments.ts'
import type { HubWatcher, WatchHub } from './watch-hub.ts'

export interface WatchSettings {
  /** etcd's default for --watch-progress-notify-interval is 10 min; kubeadm sets 5 s. */
  progressIntervalMs: number
  /** What one message may hold. */
  maxMessageBytes: number
}

interface Watcher extends HubWatcher {
  id: bigint
  request: WatchCreateRequest
  /** Events from this revision on are still to be told. */
  next: bigint
  /** Nothing was told since the last tick, so that the client does not know how far it is. */
  isQuiet: boolean
}

const INVALID_ID = -1n
const SHORTEST_PROGRESS_MS = 100

export function openWatchStream(
  member: Member,
  hub: WatchHub,
  settings: WatchSettings,
  call: Call,
  out: StreamOut<WatchResponse>,
): StreamIn<WatchRequest> {
  const { store, auth } = member.state
  const watchers = new Map<bigint, Watcher>()
  hub.streams.add(1)
  let lastId = -1n
  type Rest = Pick<Partial<WatchResponse>, 'created' | 'canceled' | 'cancelReason' | 'compactRevision' | 'events'>
  const answer = (watchId: bigint, rest: Rest, revision?: bigint): WatchResponse =>
    create(WatchResponseSchema, { header: member.header(revision), watchId, ...rest })
  const refuse = (cancelReason: string): void =>
    out.send(answer(INVALID_ID, { created: true, canceled: true, cancelReason }))

  const tell = (watcher: Watcher, events: Event[], revision?: bigint): void => {
    if (events.length === 0) return
    watcher.isQuiet = false
    const response = answer(watcher.id, { events }, revision)
    if (watcher.request.fragment) for (const each of fragments(response, settings.maxMessageBytes)) out.send(each)
    else out.send(response)
  }

  const timer = setInterval(
    () => {
      for (const watcher of watchers.values()) {
        if (watcher.request.progressNotify && watcher.isQuiet) out.send(answer(watcher.id, {}))
        watcher.isQuiet = true
      }
    },
    Math.max(settings.progressIntervalMs, SHORTEST_PROGRESS_MS),
  )
  timer.unref()

  const nextId = (): bigint => {
    do lastId += 1n
    while (watchers.has(lastId))
    return lastId
  }

  const open = (request: WatchCreateRequest): void => {
    // Without a key it begins at the smallest one.
    const [start, end] = [keyText(request.key) || '\0', endText(request.rangeEnd)]
    if (end !== undefined && end !== '\0' && end <= start) return refuse('mvcc: watcher range is empty')
    const chosen = request.watchId
    if (chosen !== 0n && watchers.has(chosen)) return refuse('mvcc: duplicate watch ID provided on the WatchStream')
    const id = chosen === 0n ? nextId() : chosen
    const { startRevision } = request
    out.send(answer(id, { created: true }))
    if (startRevision > 0n && startRevision <= store.compactedRevision) {
      // The header of this one carries no revision (recorded).
      return out.send(answer(id, { canceled: true, compactRevision: store.compactedRevision }, 0n))
    }
    const watcher: Watcher = {
      id,
      start,
      end,
      request,
      next: startRevision > 0n ? startRevision : store.revision + 1n,
      isQuiet: true,
      tell: (events, revision) => {
        if (revision >= watcher.next) tell(watcher, wanted(watcher, events), revision)
      },
    }
    watchers.set(id, watcher)
    hub.add(watcher)
    if (startRevision === 0n || startRevision > store.revision) return
    // All that a watch has missed comes in one answer, with the revision of now.
    const missed = store
      .since(startRevision)
      .flatMap(({ events }) => events.filter((event) => isWithin(event, watcher)))
    watcher.next = store.revision + 1n
    tell(watcher, wanted(watcher, missed))
  }

  const openIfAllowed = async (request: WatchCreateRequest): Promise<void> => {
    const first = request.key.length === 0 ? { ...request, key: new Uint8Array([0]) } : request
    try {
      auth.requireRead(await member.authInfo(call), first.key, first.rangeEnd)
    } catch (error) {
      return refuse(cancelReason(error))
    }
    open(request)
  }

  let before: Promise<void> = Promise.resolve()
  return {
    message({ requestUnion }) {
      const act = (): void | Promise<void> => {
        if (requestUnion.case === 'createRequest') {
          if (requestUnion.value.startRevision < 0n) return refuse(ERRORS.compacted().message)
          return auth.enabled ? openIfAllowed(requestUnion.value) : open(requestUnion.value)
        }
        // Nobody is told how far the watches are where there are none.
        if (requestUnion.case === 'progressRequest') {
          if (watchers.size > 0) out.send(answer(INVALID_ID, {}))
        } else if (requestUnion.case === 'cancelRequest') {
          const watcher = watchers.get(requestUnion.value.watchId)
          if (!watcher) return
          watchers.delete(watcher.id)
          hub.delete(watcher)
          out.send(answer(watcher.id, { canceled: true }))
        }
      }
      // Who asks may take a while to find out; what was asked later waits.
      if (auth.enabled) before = before.then(act)
      else void act()
    },
    // A client that has asked all that it will ask still hears the answers.
    halfClosed: () => {},
    gone() {
      clearInterval(timer)
      hub.streams.add(-1)
      for (const watcher of watchers.values()) hub.delete(watcher)
      watchers.clear()
    },
  }
}

function isWithin(event: Event, watcher: Watcher): boolean {
  return isIn(keyText(event.kv!.key), watcher)
}

/** The events that a watch asked for, as it asked for them. */
function wanted({ request: { filters, prevKv } }: Watcher, events: Event[]): Event[] {
  const { NOPUT, NODELETE } = WatchCreateRequest_FilterType
  const left =
    filters.length === 0
      ? events
      : events.filter(({ type }) => !filters.includes(type === Event_EventType.PUT ? NOPUT : NODELETE))
  if (prevKv) return left
  return left.map((event) => (event.prevKv ? create(EventSchema, { type: event.type, kv: event.kv! }) : event))
}

/** As grpc-go prints an error; what is not about rights is told as if it were. */
function cancelReason(error: unknown): string {
  const told: readonly string[] = [
    ERRORS.invalidAuthToken().message,
    ERRORS.authOldRevision().message,
    ERRORS.userEmpty().message,
  ]
  const known = error instanceof GrpcError && told.includes(error.message) ? error : ERRORS.permissionDenied()
  return `rpc error: code = ${known.code} desc = ${known.message}`
}

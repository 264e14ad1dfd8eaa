/** watch: apiserver/pkg/endpoints/handlers/watch.go, apiserver/pkg/storage/cacher/cache_watcher.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { failure } from '../../../lib/kube/status.ts'
import type { Change, ResourceCache } from '../storage/resource-cache.ts'
import type { ApiCall, RegistryContext } from './api-call.ts'
import { initializing, revisionOf } from './read.ts'
import { apiVersionOf } from './resource.ts'
import { selectorOf } from './selector.ts'
import { integerOf } from './write-options.ts'

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

export interface WatchSink {
  event(type: WatchEventType, object: object): void
  end(): void
}

/** --min-request-timeout: a watch that says no limit lives between half an hour and an hour. */
const SHORTEST_MS = 1_800_000
const BOOKMARK_MS = 60_000
/** The last bookmark comes this long before the watch's own end (cacher's timeBudget for bookmarks). */
const LAST_BOOKMARK_MS = 2000
const FRESH_MS = 3000

/** Begins to tell; `stop` is for when the client has gone. Throws where the watch cannot begin. */
export async function startWatch(
  call: ApiCall,
  { store, cache }: RegistryContext,
  sink: WatchSink,
): Promise<{ stop(): void }> {
  const { resource, info, query } = call
  const kept = cache.resource(resource.resource)
  if (!kept) throw new Error(`[watch_resource] ${resource.resource}: not followed`)
  const selects = selectorOf(resource, info.labelSelector, info.fieldSelector)
  const asked = query.get('resourceVersion') ?? ''
  const fromState = asked === '' || asked === '0' || query.get('sendInitialEvents') === 'true'
  const since = fromState ? 0 : revisionOf(asked)
  const seconds = integerOf(query.get('timeoutSeconds') || '0')
  const bookmarks = query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1'
  if (!kept.ready && kept.failure !== undefined) throw initializing(resource, kept.failure)
  if (fromState && asked !== '0') await cache.reach(store.written, FRESH_MS)

  const shown = (object: KubeObject): boolean =>
    (info.namespace === '' || !resource.namespaced || object.metadata.namespace === info.namespace) &&
    (info.name === '' || object.metadata.name === info.name) &&
    (!selects || selects(object))
  const bookmark = (annotations?: Record<string, string>): void => {
    const metadata = { resourceVersion: String(cache.revision), ...(annotations && { annotations }) }
    sink.event('BOOKMARK', { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata })
  }
  const tell = (change: Change): void => tellChange(change, shown, sink)

  const missed = fromState ? [] : kept.since(since)
  if (!missed) {
    sink.event('ERROR', tooOld(since, kept))
    sink.end()
    return { stop: () => {} }
  }
  const stops: (() => void)[] = []
  const stop = (): void => {
    for (const each of stops.splice(0)) each()
  }
  const end = (): void => {
    stop()
    sink.end()
  }
  if (fromState) {
    for (const object of kept.list()) if (shown(object)) sink.event('ADDED', object)
    if (bookmarks) bookmark({ 'k8s.io/initial-events-end': 'true' })
  }
  for (const change of missed) tell(change)
  stops.push(kept.onChange((change) => change.revision > since && tell(change)))
  cache.on('gap', end)
  stops.push(() => cache.off('gap', end))

  const lifeMs = seconds > 0 ? seconds * 1000 : SHORTEST_MS * (1 + Math.random())
  stops.push(timer(end, lifeMs))
  if (bookmarks) {
    const repeated = setInterval(bookmark, BOOKMARK_MS)
    stops.push(() => clearInterval(repeated))
    if (lifeMs > LAST_BOOKMARK_MS) stops.push(timer(() => bookmark(), lifeMs - LAST_BOOKMARK_MS))
  }
  return { stop }
}

function timer(action: () => void, ms: number): () => void {
  const handle = setTimeout(action, ms)
  return () => clearTimeout(handle)
}

/** What a change is to somebody who sees only selected objects. */
function tellChange(
  { type, object, old, revision }: Change,
  shown: (object: KubeObject) => boolean,
  sink: WatchSink,
): void {
  const after = type !== 'DELETED' && shown(object)
  const before = old !== undefined && shown(old)
  if (after) return sink.event(before ? 'MODIFIED' : 'ADDED', object)
  if (!before || !old) return
  sink.event('DELETED', { ...old, metadata: { ...old.metadata, resourceVersion: String(revision) } })
}

function tooOld(since: number, kept: ResourceCache): object {
  return failure(410, 'Expired', `too old resource version: ${since} (${kept.oldest})`)
}

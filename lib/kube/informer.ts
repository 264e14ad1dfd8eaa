/**
 * A copy of one collection, kept current by list and watch: client-go tools/cache reflector.go. It lists once, watches from
 * there, goes on from the last resourceVersion after a cut connection, and lists again after 410 Gone.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { StatusError, type KubeClient } from './client.ts'
import type { KubeList, KubeObject, WatchEvent } from './object.ts'

export interface InformerOptions {
  client: KubeClient
  /** `/api/v1/pods` */
  path: string
  /** Selectors, such as `fieldSelector=metadata.name%3Dx`. */
  query?: string
}

interface InformerEvents {
  add: [KubeObject]
  /** The new object, and the one before. */
  update: [KubeObject, KubeObject]
  delete: [KubeObject]
  /** The first list is in. */
  synced: []
  /** A list or watch failed and will be tried again. */
  failed: [Error]
}

/** The first retry comes at once; then these, the last one for ever. */
const RETRIES_MS = [0, 100, 200, 400, 800, 1000]
/** A watch that lived that long was a good one. */
const GOOD_WATCH_MS = 1000
const PAGE = 500
/** reflector.go: a watch ends by itself after 5 to 10 minutes. */
const WATCH_SECONDS = 300

/** @internal A watch that cannot go on from where it was. */
class Expired extends Error {}

export class Informer extends EventEmitter<InformerEvents> {
  readonly #options: InformerOptions
  readonly #objects = new Map<string, KubeObject>()
  readonly #stop = new AbortController()
  readonly #synced: Promise<void>
  #isSynced = false
  #resourceVersion: string | undefined
  #kind = { apiVersion: '', kind: '' }
  #failures = 0
  #running: Promise<void> | undefined

  constructor(options: InformerOptions) {
    super()
    this.#options = options
    this.#synced = new Promise((resolve) => this.once('synced', resolve))
  }

  /** Resolves with the first list; of a server that never answers, never. */
  get synced(): Promise<void> {
    return this.#synced
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(keyOf(namespace, name))
  }

  list(): KubeObject[] {
    return [...this.#objects.values()]
  }

  start(): this {
    this.#running ??= this.#run()
    return this
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#listAll()
        // a stream that is born aborted would never hear of it
        if (!signal.aborted) await this.#watch()
      } catch (error) {
        if (signal.aborted) return
        if (isExpired(error)) this.#resourceVersion = undefined
        this.emit('failed', error as Error)
        const waitMs = RETRIES_MS[Math.min(this.#failures++, RETRIES_MS.length - 1)] ?? 0
        if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  async #listAll(): Promise<void> {
    const found = new Map<string, KubeObject>()
    let token = ''
    let version = ''
    do {
      const page = token === '' ? 'resourceVersion=0' : `continue=${encodeURIComponent(token)}`
      const list = (await this.#options.client.json({ path: this.#path(`limit=${PAGE}&${page}`) })) as KubeList
      this.#kind = { apiVersion: list.apiVersion, kind: list.kind.replace(/List$/, '') }
      for (const item of list.items ?? []) found.set(keyOfObject(item), { ...this.#kind, ...item })
      version = list.metadata.resourceVersion ?? ''
      token = list.metadata.continue ?? ''
    } while (token !== '')
    for (const [key, object] of this.#objects) {
      if (found.has(key)) continue
      this.#objects.delete(key)
      this.emit('delete', object)
    }
    for (const object of found.values()) this.#set(object)
    this.#resourceVersion = version
    if (this.#isSynced) return
    this.#isSynced = true
    this.emit('synced')
  }

  async #watch(): Promise<void> {
    const startedAt = performance.now()
    const seconds = WATCH_SECONDS + Math.floor(Math.random() * WATCH_SECONDS)
    const query = `allowWatchBookmarks=true&resourceVersion=${this.#resourceVersion}&timeoutSeconds=${seconds}&watch=true`
    let pending = ''
    for await (const piece of this.#options.client.stream({ path: this.#path(query) }, this.#stop.signal)) {
      const lines = (pending + piece).split('\n')
      pending = lines.pop() ?? ''
      for (const line of lines) if (line.trim() !== '') this.#take(JSON.parse(line) as WatchEvent)
      this.#failures = 0
    }
    if (this.#stop.signal.aborted) return
    if (performance.now() - startedAt < GOOD_WATCH_MS) throw new Error('very short watch: unexpected EOF')
    this.#failures = 0
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      const { code, message = 'watch error' } = object as { code?: number; message?: string }
      throw code === 410 ? new Expired(message) : new Error(message)
    }
    const taken = object as KubeObject
    if (type === 'DELETED') {
      this.#objects.delete(keyOfObject(taken))
      this.emit('delete', taken)
    } else if (type !== 'BOOKMARK') this.#set(taken)
    this.#resourceVersion = taken.metadata.resourceVersion ?? this.#resourceVersion
  }

  #set(object: KubeObject): void {
    const key = keyOfObject(object)
    const before = this.#objects.get(key)
    if (before && before.metadata.resourceVersion === object.metadata.resourceVersion) return
    this.#objects.set(key, object)
    if (before) this.emit('update', object, before)
    else this.emit('add', object)
  }

  #path(query: string): string {
    const { path, query: selectors } = this.#options
    return `${path}?${selectors === undefined ? '' : `${selectors}&`}${query}`
  }
}

function isExpired(error: unknown): boolean {
  return error instanceof Expired || (error instanceof StatusError && error.status === 410)
}

/** `namespace/name`, and `name` of what is in no namespace: how queues name objects. */
export function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

export function keyOfObject({ metadata }: KubeObject): string {
  return keyOf(metadata.namespace ?? '', metadata.name ?? '')
}

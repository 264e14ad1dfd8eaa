/**
 * Everything below --etcd-prefix, listed once and then watched, on one watch for all resources. When the connection
 * breaks, the watch goes on from its last revision; when that is compacted, everything is listed anew and watchers end.
 */
import { EventEmitter } from 'node:events'
import { witness } from '../../../lib/cluster/witness.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { ChangeType, ObjectCache } from '../contract.ts'
import { CompactedError, prefixEnd } from './key-value-store.ts'
import type { StoredChange } from './key-value-store.ts'
import { UnreadableValue } from './object-store.ts'
import type { ObjectStore } from './object-store.ts'
import { ResourceCache } from './resource-cache.ts'
import { resourcePrefix } from './stored-resource.ts'
import type { StoredResource } from './stored-resource.ts'

const PAGE = 500
const FIRST_RETRY_MS = 20
const LAST_RETRY_MS = 1000

interface WatchCacheEvents {
  /** The cache has reached a revision: every change up to it has been told. */
  revision: [number]
  /** Changes were missed: whoever follows must list anew. */
  gap: []
}

interface Followed {
  resource: StoredResource
  prefix: string
  cache: ResourceCache
}

export class WatchCache extends EventEmitter<WatchCacheEvents> implements ObjectCache {
  readonly #store: ObjectStore
  readonly #followed: Followed[]
  readonly #byName = new Map<string, ResourceCache>()
  readonly #log: (text: string) => void
  #revision = 0
  #closed = false
  #watch: { close(): void } | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS

  constructor(store: ObjectStore, resources: readonly StoredResource[], log: (text: string) => void = () => {}) {
    super()
    this.setMaxListeners(0)
    this.#store = store
    this.#log = log
    this.#followed = resources.map((resource) => ({
      resource,
      prefix: resourcePrefix(store.prefix, resource),
      cache: new ResourceCache(),
    }))
    for (const { resource, cache } of this.#followed) this.#byName.set(resource.resource, cache)
  }

  get revision(): number {
    return this.#revision
  }

  /** Every resource has been listed and every value of it could be read. */
  get ready(): boolean {
    return this.#followed.every(({ cache }) => cache.ready)
  }

  /** Lists, then follows for good. Resolves when the first list is in. */
  async start(): Promise<void> {
    await this.#list()
    this.#follow()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#watch?.close()
  }

  resource(name: string): ResourceCache | undefined {
    return this.#byName.get(name)
  }

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#byName.get(resource)?.get(namespace === '' ? name : `${namespace}/${name}`)
  }

  list(resource: string, namespace = ''): readonly KubeObject[] {
    return this.#byName.get(resource)?.list(namespace) ?? []
  }

  onChange(resource: string, listener: (type: ChangeType, object: KubeObject, old?: KubeObject) => void): void {
    this.#byName.get(resource)?.onChange(({ type, object, old }) => listener(type, object, old))
  }

  /** Waits until the cache has come to a revision; false where it has not by then. */
  async reach(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.#revision >= revision) return true
    return await new Promise((resolve) => {
      const settle = (reached: boolean): void => {
        clearTimeout(timer)
        this.off('revision', look)
        resolve(reached)
      }
      const look = (now: number): void => {
        if (now >= revision) settle(true)
      }
      const timer = setTimeout(() => settle(false), timeoutMs)
      this.on('revision', look)
    })
  }

  async #list(): Promise<void> {
    const prefix = `${this.#store.prefix}/`
    const objects = new Map<Followed, Map<string, KubeObject>>(this.#followed.map((each) => [each, new Map()]))
    const unreadable = new Map<Followed, Map<string, string>>(this.#followed.map((each) => [each, new Map()]))
    let revision: number | undefined
    for (let start: string | undefined = prefix; start !== undefined;) {
      const page = await this.#store.values.range({
        start,
        end: prefixEnd(prefix),
        limit: PAGE,
        ...(revision !== undefined && { revision }),
      })
      revision ??= page.revision
      for (const { key, value, modRevision } of page.values) {
        const followed = this.#followedBy(key)
        if (!followed) continue
        const read = this.#read(followed, key, value, modRevision)
        if (typeof read === 'string') unreadable.get(followed)?.set(key, read)
        else objects.get(followed)?.set(key.slice(followed.prefix.length), read)
      }
      const last = page.values.at(-1)
      start = page.more && last ? `${last.key}\0` : undefined
    }
    for (const followed of this.#followed) {
      followed.cache.replace(objects.get(followed) ?? new Map(), unreadable.get(followed) ?? new Map(), revision ?? 0)
    }
    this.#moveTo(revision ?? 0)
  }

  #follow(): void {
    if (this.#closed) return
    this.#watch = this.#store.values.watch(`${this.#store.prefix}/`, this.#revision + 1, {
      changes: (changes, revision) => {
        this.#retryMs = FIRST_RETRY_MS
        for (const change of changes) this.#apply(change)
        this.#moveTo(revision)
      },
      end: (error) => this.#later(error instanceof CompactedError),
    })
  }

  #later(listAnew: boolean): void {
    if (this.#closed) return
    this.#retry = setTimeout(() => {
      if (!listAnew) return this.#follow()
      this.#list().then(
        () => {
          this.emit('gap')
          this.#follow()
        },
        () => this.#later(true),
      )
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #apply({ key, value, revision }: StoredChange): void {
    const followed = this.#followedBy(key)
    if (!followed) return
    const { cache, prefix } = followed
    const read = value && this.#read(followed, key, value, revision)
    if (typeof read === 'string') return cache.markUnreadable(key, read)
    cache.markReadable(key)
    cache.apply(key.slice(prefix.length), read, revision)
  }

  #read({ resource }: Followed, key: string, value: Buffer, revision: number): KubeObject | string {
    try {
      return this.#store.readWatched(resource, key, value, revision)
    } catch (error) {
      this.#log(`unable to transform key "${key}": ${(error as Error).message}`)
      if (error instanceof UnreadableValue) witnessUnreadable(error)
      return (error as Error).message
    }
  }

  #followedBy(key: string): Followed | undefined {
    return this.#followed.find(({ prefix }) => key.startsWith(prefix))
  }

  #moveTo(revision: number): void {
    if (revision <= this.#revision) return
    this.#revision = revision
    this.emit('revision', revision)
  }
}

/** The record is told by its key: whoever wrote it is nobody's connection here. */
function witnessUnreadable({ key, layer, message }: UnreadableValue): void {
  witness({ about: 'decryption', decision: 'refuse', layer, code: 'InternalError', request: key, text: message })
}

/** Objects in etcd: codec, encryption and keys around single comparisons. apiserver/pkg/storage/etcd3/store.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { internalError } from '../../../lib/kube/status.ts'
import type { Layer } from '../../../lib/tls/layer.ts'
import { decodeObject, encodeObject } from './codec.ts'
import type { TransformerOf } from './encryption-configuration.ts'
import { prefixEnd } from './key-value-store.ts'
import type { KeyValueStore, StoredValue } from './key-value-store.ts'
import { objectKey, resourcePrefix } from './stored-resource.ts'
import type { StoredResource } from './stored-resource.ts'
import { PROVIDER_UNKNOWN } from './transformer.ts'

export interface StoredObject {
  object: KubeObject
  revision: number
  /** Written by a provider or key that is not the first: to be written anew even where nothing changes. */
  stale: boolean
}

export interface ObjectPage {
  objects: KubeObject[]
  revision: number
  /** Key, relative to the listed prefix, that the next page begins with; absent on the last page. */
  next?: string
  remaining: number
}

export interface ListQuery {
  namespace: string
  limit?: number
  /** Relative to the listed prefix. */
  start?: string
  revision?: number
  /** Leaves objects out; more pages are then read until the limit is filled. */
  selects?: (object: KubeObject) => boolean
}

/** A value that its provider refuses; the key is told where a whole list fails by it. */
export class UnreadableValue extends Error {
  override readonly name = 'UnreadableValue'
  readonly key: string

  /** Whether no provider claims it, which says that it was never sealed, or one does and finds that it is not its own. */
  get layer(): Layer {
    return this.message === PROVIDER_UNKNOWN ? 'at-rest' : 'crypto'
  }

  constructor(key: string, message: string) {
    super(message)
    this.key = key
  }
}

const MOST_KEPT = 256

export class ObjectStore {
  readonly values: KeyValueStore
  readonly prefix: string
  readonly #transformerOf: TransformerOf
  /** What a write of this server's made, by revision and key: its answer and the watch both tell of it, and one reads it. */
  readonly #once = new Map<string, KubeObject>()
  /** The newest revision that this server has written: what it has told somebody, it knows. */
  written = 0

  constructor(values: KeyValueStore, prefix: string, transformerOf: TransformerOf) {
    this.values = values
    this.prefix = prefix
    this.#transformerOf = transformerOf
  }

  async get(resource: StoredResource, namespace: string, name: string): Promise<StoredObject | undefined> {
    const { values } = await this.values.range({ start: this.key(resource, namespace, name) })
    const [value] = values
    return value && this.#readOne(resource, value)
  }

  async list(resource: StoredResource, query: ListQuery): Promise<ObjectPage> {
    const { namespace, limit = 0, selects } = query
    const prefix = `${resourcePrefix(this.prefix, resource)}${namespace === '' ? '' : `${namespace}/`}`
    const objects: KubeObject[] = []
    let start = `${prefix}${query.start ?? ''}`
    let { revision } = query
    for (;;) {
      const page = await this.values.range({
        start,
        end: prefixEnd(prefix),
        ...(limit > 0 && { limit: limit - objects.length }),
        ...(revision !== undefined && { revision }),
      })
      revision ??= page.revision
      for (const value of page.values) {
        const object = this.#readListed(resource, value)
        if (!selects || selects(object)) objects.push(object)
      }
      const last = page.values.at(-1)
      if (!page.more || !last) return { objects, revision, remaining: 0 }
      start = `${last.key}\0`
      const next = start.slice(prefix.length)
      if (objects.length >= limit) return { objects, revision, next, remaining: page.count - page.values.length }
    }
  }

  /** The object as stored now, or undefined where something already lies there. */
  async create(resource: StoredResource, object: KubeObject, ttlSeconds?: number): Promise<KubeObject | undefined> {
    const { namespace = '', name = '' } = object.metadata
    const key = this.key(resource, namespace, name)
    const encoded = encodeObject(object)
    const options = ttlSeconds === undefined ? {} : { ttlSeconds }
    const outcome = await this.values.put(key, this.#sealed(resource, key, encoded), 0, options)
    return outcome.ok ? this.#written(key, encoded, outcome.revision) : undefined
  }

  /**
   * Writes over what was read at `expected`; the answer is what lies there instead, where somebody was faster, and
   * `undefined` where it has gone. Key and name are the URL's: a moved value keeps its old name inside.
   */
  async replace(
    resource: StoredResource,
    { namespace, name }: { namespace: string; name: string },
    object: KubeObject,
    expected: number,
  ): Promise<{ written: KubeObject } | { current: StoredObject | undefined }> {
    const key = this.key(resource, namespace, name)
    const encoded = encodeObject(object)
    const outcome = await this.values.put(key, this.#sealed(resource, key, encoded), expected)
    if (outcome.ok) return { written: this.#written(key, encoded, outcome.revision) }
    return { current: outcome.current && this.#readOne(resource, outcome.current) }
  }

  async remove(
    resource: StoredResource,
    { namespace, name }: { namespace: string; name: string },
    expected: number,
  ): Promise<{ revision: number } | { current: StoredObject | undefined }> {
    const outcome = await this.values.remove(this.key(resource, namespace, name), expected)
    if (outcome.ok) {
      this.written = Math.max(this.written, outcome.revision)
      return { revision: outcome.revision }
    }
    return { current: outcome.current && this.#readOne(resource, outcome.current) }
  }

  key(resource: StoredResource, namespace: string, name: string): string {
    return objectKey(this.prefix, resource, namespace, name)
  }

  /** Throws an UnreadableValue. */
  read(resource: StoredResource, key: string, bytes: Buffer, revision: number): StoredObject {
    let decrypted: { data: Buffer; stale: boolean }
    try {
      decrypted = this.#transformerOf(resource.resource, resource.group).fromStorage(bytes, key)
    } catch (error) {
      throw new UnreadableValue(key, (error as Error).message)
    }
    return { object: decodeObject(decrypted.data, revision), revision, stale: decrypted.stale }
  }

  /** As `read`, of a value that the watch brings. */
  readWatched(resource: StoredResource, key: string, bytes: Buffer, revision: number): KubeObject {
    return this.#readOnce(key, revision, () => this.read(resource, key, bytes, revision).object)
  }

  #readOnce(key: string, revision: number, read: () => KubeObject): KubeObject {
    const which = `${revision} ${key}`
    const known = this.#once.get(which)
    if (known) {
      this.#once.delete(which)
      return known
    }
    const object = read()
    // those of other servers are told of once
    if (this.#once.size >= MOST_KEPT) this.#once.clear()
    this.#once.set(which, object)
    return object
  }

  #readOne(resource: StoredResource, { key, value, modRevision }: StoredValue): StoredObject {
    try {
      return this.read(resource, key, value, modRevision)
    } catch (error) {
      throw error instanceof UnreadableValue ? internalError(error.message) : error
    }
  }

  #readListed(resource: StoredResource, { key, value, modRevision }: StoredValue): KubeObject {
    try {
      return this.read(resource, key, value, modRevision).object
    } catch (error) {
      throw error instanceof UnreadableValue
        ? internalError(`unable to transform key "${key}": ${error.message}`)
        : error
    }
  }

  #sealed(resource: StoredResource, key: string, encoded: Buffer): Buffer {
    return this.#transformerOf(resource.resource, resource.group).toStorage(encoded, key)
  }

  /** What was written as it will be read: etcd3/store.go answers with the decoded bytes. */
  #written(key: string, encoded: Buffer, revision: number): KubeObject {
    this.written = Math.max(this.written, revision)
    return this.#readOnce(key, revision, () => decodeObject(encoded, revision))
  }
}

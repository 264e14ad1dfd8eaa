/** The objects of one resource as the watch last told of them, and the newest changes: apiserver/pkg/storage/cacher. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { ChangeType } from '../contract.ts'

export interface Change {
  type: ChangeType
  /** After a deletion the last state, with the deletion's own resourceVersion. */
  object: KubeObject
  old?: KubeObject
  revision: number
}

/** Of the real one's history, which grows and shrinks between 100 and 102400, a fixed part. */
const HISTORY = 2048

export class ResourceCache {
  /** By etcd key behind the resource's prefix: a value that was moved keeps its old name inside. */
  readonly #objects = new Map<string, KubeObject>()
  readonly #lists = new Map<string, readonly KubeObject[]>()
  readonly #unreadable = new Map<string, string>()
  readonly #listeners: ((change: Change) => void)[] = []
  #history: Change[] = []
  /** Changes at this revision and before are not in the history. */
  #oldest = 0
  #ready = false

  get ready(): boolean {
    return this.#ready
  }

  /** Why the resource cannot be listed; the first of its unreadable keys. */
  get failure(): string | undefined {
    const [first] = [...this.#unreadable].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return first && `unable to transform key "${first[0]}": ${first[1]}`
  }

  get(path: string): KubeObject | undefined {
    return this.#objects.get(path)
  }

  /** In the order of keys. */
  list(namespace = ''): readonly KubeObject[] {
    const known = this.#lists.get(namespace)
    if (known) return known
    const prefix = namespace === '' ? '' : `${namespace}/`
    const paths = [...this.#objects.keys()]
      .filter((path) => path.startsWith(prefix))
      .toSorted((a, b) => (a < b ? -1 : 1))
    const objects = paths.map((path) => this.#objects.get(path) as KubeObject)
    this.#lists.set(namespace, objects)
    return objects
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.push(listener)
    return () => void this.#listeners.splice(this.#listeners.indexOf(listener), 1)
  }

  /** Changes after `revision`, or undefined where the history does not reach back that far. */
  since(revision: number): Change[] | undefined {
    return revision < this.#oldest ? undefined : this.#history.filter((change) => change.revision > revision)
  }

  get oldest(): number {
    return this.#oldest
  }

  /** A whole new state after a list at `revision`; listeners hear of the differences. The history begins anew. */
  replace(objects: ReadonlyMap<string, KubeObject>, unreadable: ReadonlyMap<string, string>, revision: number): void {
    for (const path of [...this.#objects.keys()]) {
      if (!objects.has(path)) this.apply(path, undefined, revision)
    }
    for (const [path, object] of objects) {
      if (this.#objects.get(path)?.metadata.resourceVersion !== object.metadata.resourceVersion)
        this.apply(path, object, revision)
    }
    this.#unreadable.clear()
    for (const [key, why] of unreadable) this.#unreadable.set(key, why)
    this.#history = []
    this.#oldest = revision
    this.#ready ||= this.#unreadable.size === 0
  }

  apply(path: string, object: KubeObject | undefined, revision: number): void {
    const old = this.#objects.get(path)
    if (object) this.#objects.set(path, object)
    else this.#objects.delete(path)
    this.#lists.clear()
    const last = object ?? (old && { ...old, metadata: { ...old.metadata, resourceVersion: String(revision) } })
    if (!last) return
    const type = object ? (old ? 'MODIFIED' : 'ADDED') : 'DELETED'
    const change: Change = { type, object: last, ...(old && { old }), revision }
    this.#history.push(change)
    if (this.#history.length > HISTORY) this.#oldest = this.#history.shift()?.revision ?? this.#oldest
    for (const listener of [...this.#listeners]) listener(change)
  }

  /** A value that no provider opens: until it is overwritten, a list of the resource fails by it. */
  markUnreadable(key: string, why: string): void {
    this.#unreadable.set(key, why)
  }

  markReadable(key: string): void {
    if (this.#unreadable.delete(key)) this.#ready ||= this.#unreadable.size === 0
  }
}

/** An ObjectCache that a test fills by hand: no etcd, no watch. */
import { randomUUID } from 'node:crypto'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { ChangeType, ObjectCache } from '../../../sim/kube-apiserver/contract.ts'

type Listener = (type: ChangeType, object: KubeObject, old?: KubeObject) => void

export class MemoryObjects implements ObjectCache {
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  readonly #listeners = new Map<string, Listener[]>()

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(`${namespace}/${name}`)
  }

  list(resource: string, namespace?: string): KubeObject[] {
    const all = [...(this.#objects.get(resource)?.values() ?? [])]
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace)
  }

  onChange(resource: string, listener: Listener): void {
    this.#listeners.set(resource, [...(this.#listeners.get(resource) ?? []), listener])
  }

  /** Stores an object, giving it a uid where it has none. */
  put(resource: string, object: KubeObject): void {
    object.metadata.uid ??= randomUUID()
    const old = this.get(resource, object.metadata.namespace ?? '', object.metadata.name ?? '')
    const kept = this.#objects.get(resource) ?? new Map<string, KubeObject>()
    this.#objects.set(resource, kept.set(`${object.metadata.namespace ?? ''}/${object.metadata.name}`, object))
    for (const listener of this.#listeners.get(resource) ?? []) listener(old ? 'MODIFIED' : 'ADDED', object, old)
  }

  delete(resource: string, namespace: string, name: string): void {
    const old = this.get(resource, namespace, name)
    if (!old) return
    this.#objects.get(resource)?.delete(`${namespace}/${name}`)
    for (const listener of this.#listeners.get(resource) ?? []) listener('DELETED', old, old)
  }
}

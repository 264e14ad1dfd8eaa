/** What the registry knows of one resource: its names, where it lies, and what is particular about it. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { ErrorResource, FieldError } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { StoredResource } from '../storage/stored-resource.ts'

/** Everything that is particular about a kind; what is left out is as for most kinds. */
export interface Strategy {
  /** Fills in what was left out, as decoding does; also on update and patch. */
  defaults?: (object: KubeObject) => void
  /** What a client cannot say on create: fields of the status, and what the server decides. */
  prepareCreate?: (object: KubeObject, user: User) => void
  /** What an update of the main resource cannot change. The status is kept by `hasStatus`. */
  prepareUpdate?: (object: KubeObject, old: KubeObject) => void
  /** What an update of the status cannot change; without it everything but metadata and status is kept. */
  prepareStatusUpdate?: (object: KubeObject, old: KubeObject) => void
  /** What updates of subresources other than the status take, by their names. */
  prepareSubresource?: Readonly<Record<string, (object: KubeObject, old: KubeObject) => void>>
  validate?: (object: KubeObject) => FieldError[]
  validateUpdate?: (object: KubeObject, old: KubeObject) => FieldError[]
  /** Of an update, by the subresource; `` for the main resource. */
  validateSubresource?: Readonly<Record<string, (object: KubeObject, old: KubeObject) => FieldError[]>>
  /** Why a name is none, in Go's words; names are lower-case RFC 1123 subdomains where absent. */
  nameErrors?: (name: string) => string[]
  /** Has a status that only /status changes. */
  hasStatus?: boolean
  /** Counts metadata.generation with every change of what is not metadata or status. */
  hasGeneration?: boolean
  /** Fields a fieldSelector may name besides metadata.name and metadata.namespace. */
  selectableFields?: Record<string, (object: KubeObject) => string>
  /** A PUT to a name that does not exist creates it. */
  createsOnUpdate?: boolean
  /** A PUT must say which resourceVersion it replaces. */
  conditionalUpdate?: boolean
  /** DELETE answers with the object, not with a Status. */
  returnsDeleted?: boolean
  /** Seconds that an object lives on after DELETE; 0: gone at once. */
  gracePeriodSeconds?: (object: KubeObject, asked: number | undefined) => number
  ttlSeconds?: number
  /** Warning header of every answer about this resource. */
  warning?: string
}

export interface TableColumn {
  name: string
  type: 'string' | 'integer' | 'boolean' | 'date'
  format?: string
  /** 1: shown by `-o wide` only */
  priority?: number
  description: string
}

export interface Subresource {
  kind: string
  group?: string
  version?: string
  verbs: readonly string[]
}

export interface Resource extends StoredResource {
  version: string
  singular: string
  kind: string
  verbs: readonly string[]
  shortNames?: readonly string[]
  categories?: readonly string[]
  subresources: Readonly<Record<string, Subresource>>
  strategy: Strategy
}

export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`
}

export function errorResourceOf({ group, resource }: Pick<Resource, 'group' | 'resource'>): ErrorResource {
  return { group, resource }
}

/** Errors of a precondition name the kind where most name the resource. */
export function errorKindOf({ group, kind }: Pick<Resource, 'group' | 'kind'>): ErrorResource {
  return { group, resource: kind }
}

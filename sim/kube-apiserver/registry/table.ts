/** Objects as a Table or as metadata alone, where the client asks for it: apiserver/pkg/endpoints/handlers/response.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest } from '../../../lib/kube/status.ts'
import { podRowConditions } from './pod-row.ts'
import type { Resource, TableColumn } from './resource.ts'
import { DEFAULT_COLUMNS, TABLE_COLUMNS } from './table-columns.ts'
import { TABLE_ROWS } from './table-rows.ts'

export type IncludeObject = 'Metadata' | 'Object' | 'None'

export function includeObjectOf(text: string | null): IncludeObject {
  if (text === null || text === '') return 'Metadata'
  if (text === 'Metadata' || text === 'Object' || text === 'None') return text
  const rule = `Invalid value: "${text}": must be 'Metadata', 'Object', 'None', or empty`
  throw badRequest(`Unable to convert to Table as requested: includeObject: ${rule}`)
}

export interface TableOptions {
  include: IncludeObject
  /** Those of the list, or of the one object. */
  metadata: object
  /** Left out after the first event of a watch. */
  withColumns?: boolean
}

export function tableOf(resource: Resource, objects: readonly KubeObject[], options: TableOptions): object {
  const now = new Date()
  const columns = TABLE_COLUMNS[resource.resource] ?? DEFAULT_COLUMNS
  const row = TABLE_ROWS[resource.resource]
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata,
    columnDefinitions: options.withColumns === false ? null : columns.map(columnDefinition),
    rows: objects.map((object) => {
      const conditions = resource.resource === 'pods' ? podRowConditions(object) : undefined
      return {
        cells: row ? row(object, now) : [object.metadata.name ?? '', object.metadata.creationTimestamp ?? null],
        ...(conditions && { conditions }),
        object: shown(object, options.include),
      }
    }),
  }
}

function columnDefinition({ name, type, format = '', description, priority = 0 }: TableColumn): object {
  return { name, type, format, description, priority }
}

function shown(object: KubeObject, include: IncludeObject): object | null {
  if (include === 'None') return null
  return include === 'Object' ? object : partialMetadata(object)
}

export function partialMetadata({ metadata }: KubeObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
}

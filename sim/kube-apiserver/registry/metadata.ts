/** What every object's metadata must be, and what of it a client decides: apimachinery/pkg/api/validation/objectmeta.go, registry/rest. */
import { isDeepStrictEqual } from 'node:util'
import { randomInt, randomUUID } from 'node:crypto'
import type { KubeObject, ObjectMeta } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { invalidValue, required, tooLong } from './field-errors.ts'
import { labelValueErrors, qualifiedNameErrors, subdomainErrors } from './names.ts'
import type { Resource } from './resource.ts'

const ANNOTATIONS_BYTES = 256 * 1024
/** apiserver/pkg/storage/names: five of these, no vowels and nothing that looks like another. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
const GENERATED_BASE = 58

/** RFC 3339 with seconds, as metav1.Time. */
export function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}

/** What the server decides of a new object; metadata that Go would omit is left out. */
export function newMetadata(meta: ObjectMeta, namespace: string, hasGeneration: boolean): ObjectMeta {
  const { name, generateName } = meta
  const given = name || (generateName ? generatedName(generateName) : undefined)
  return tidyMetadata({
    ...meta,
    name: given,
    namespace,
    uid: randomUUID(),
    resourceVersion: undefined,
    generation: hasGeneration ? 1 : undefined,
    creationTimestamp: now(),
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
  })
}

/** What an update cannot change: the old object's identity and dates, and the name of the URL. */
export function keptMetadata(meta: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const { creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, resourceVersion, uid } = old
  return tidyMetadata({
    ...meta,
    name: old.name,
    namespace: old.namespace,
    generateName: meta.generateName ?? old.generateName,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  })
}

const ORDER = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
] as const

/** Members in the order of Go's struct, without those that Go omits as empty. Members it does not know are dropped. */
export function tidyMetadata(meta: Record<string, unknown>): ObjectMeta {
  const tidy: Record<string, unknown> = {}
  for (const member of ORDER) {
    const value = meta[member]
    if (value === undefined || value === null || value === '' || isEmpty(value)) continue
    tidy[member] = isMap(value) ? sortedMap(value) : value
  }
  return tidy
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sortedMap(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function generatedName(base: string): string {
  const suffix = Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join('')
  return base.slice(0, GENERATED_BASE) + suffix
}

export function metadataErrors({ metadata: meta }: KubeObject, { namespaced, strategy }: Resource): FieldError[] {
  const errors: FieldError[] = []
  if (!meta.name && !meta.generateName) errors.push(required('metadata.name', 'name or generateName is required'))
  else {
    const why = strategy.nameErrors ?? subdomainErrors
    errors.push(...why(meta.name ?? '').map((detail) => invalidValue('metadata.name', meta.name, detail)))
  }
  if (namespaced && !meta.namespace) errors.push(required('metadata.namespace'))
  return [...errors, ...labelErrors(meta), ...annotationErrors(meta), ...ownerErrors(meta)]
}

function labelErrors({ labels = {} }: ObjectMeta): FieldError[] {
  return Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]) => [
      ...qualifiedNameErrors(key).map((why) => invalidValue('metadata.labels', key, why)),
      ...labelValueErrors(String(value)).map((why) => invalidValue('metadata.labels', value, why)),
    ])
}

function annotationErrors({ annotations = {} }: ObjectMeta): FieldError[] {
  const entries = Object.entries(annotations)
  const errors = entries.flatMap(([key]) =>
    qualifiedNameErrors(key.toLowerCase()).map((why) => invalidValue('metadata.annotations', key, why)),
  )
  const bytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  )
  return bytes > ANNOTATIONS_BYTES ? [...errors, tooLong('metadata.annotations', ANNOTATIONS_BYTES)] : errors
}

function ownerErrors({ ownerReferences = [] }: ObjectMeta): FieldError[] {
  const errors = ownerReferences.flatMap((owner, index) => {
    const path = `metadata.ownerReferences[${index}]`
    return (['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((member) => !owner[member])
      .map((member) => invalidValue(`${path}.${member}`, owner[member] ?? '', 'must not be empty'))
  })
  const [first, second] = ownerReferences.filter((owner) => owner.controller === true)
  if (!first || !second) return errors
  const named = `"controller" set to true for ${first.name} and ${second.name}`
  const rule = `Only one reference can have Controller set to true. Found ${named}`
  return [...errors, invalidValue('metadata.ownerReferences', ownerReferences, rule)]
}

/** 422s of an update whose metadata names another object than the stored one. */
export function changedIdentityErrors(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  return (['uid', 'creationTimestamp'] as const)
    .filter((member) => meta[member] && !isDeepStrictEqual(meta[member], old[member]))
    .filter((member) => member === 'uid')
    .map((member) => invalidValue(`metadata.${member}`, meta[member], 'field is immutable'))
}

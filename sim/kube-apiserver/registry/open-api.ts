/**
 * OpenAPI, as far as kubectl needs it: which kinds there are, of which fields (explain), and that a PATCH of them takes
 * `fieldValidation` (create, apply). Without descriptions. apiserver/pkg/endpoints/openapi, kube-openapi/pkg/handler3.
 */
import { createHash } from 'node:crypto'
import { homeOf, isMessage, message, messageOfKind } from '../schema/message-fields.ts'
import type { Field, Message } from '../schema/message-fields.ts'
import { apiVersionOf } from './resource.ts'
import type { Resource } from './resource.ts'
import { RESOURCES } from './resources.ts'

/** What kubectl asks /openapi/v2 for (it takes no JSON there), and what that is answered as: `@` is in no media type. */
export const ASKED_SWAGGER = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'
export const SWAGGER_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** GET /openapi/v2: that there is nothing in it, which sends kubectl to v3 or to what it knows itself. */
export function swaggerDocument(): object {
  return { swagger: '2.0', info: { title: 'Kubernetes', version: 'unversioned' }, paths: {}, definitions: {} }
}

/** The same in the protobuf of gnostic's openapi_v2.Document: {1 swagger, 2 info {1 title, 2 version}}. */
export function swaggerProtobuf(): Buffer {
  const text = (number: number, value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value)
    return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
  }
  return Buffer.concat([text(1, '2.0'), text(2, Buffer.concat([text(1, 'Kubernetes'), text(2, 'unversioned')]))])
}

/** GET /openapi/v3. */
export function openApiIndex(): object {
  const paths = [...new Set(RESOURCES.map(pathOf))].map((path) => [
    path,
    { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(path)}` },
  ])
  return { paths: Object.fromEntries(paths) as object }
}

function pathOf({ group, version }: Resource): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

/** Stands for what the document of a path says, which is what its kinds are. */
function hashOf(path: string): string {
  const kinds = RESOURCES.filter((each) => pathOf(each) === path).map(({ kind }) => kind)
  return createHash('sha512').update(`${path} ${kinds.join()}`).digest('hex').toUpperCase()
}

/** GET /openapi/v3/<path>, or undefined where there is no such group and version. */
export function openApiDocument(path: string): object | undefined {
  const found = RESOURCES.filter((each) => pathOf(each) === path)
  if (found.length === 0) return undefined
  const paths = found
    .filter(({ verbs }) => verbs.includes('patch'))
    .map((resource) => {
      const base = resource.namespaced ? `/${path}/namespaces/{namespace}` : `/${path}`
      return [`${base}/${resource.resource}/{name}`, { patch: patchOperation(resource) }]
    })
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'unversioned' },
    paths: Object.fromEntries(paths) as object,
    components: { schemas: schemasOf(found) },
  }
}

const PATCH = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch'
const PATCH_TYPES = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]

function patchOperation({ group, version, kind }: Resource): object {
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string', uniqueItems: true },
  }))
  const patch = { schema: { $ref: `#/components/schemas/${PATCH}` } }
  return {
    parameters,
    // kubectl makes a strategic merge patch by these schemas only where one is taken
    requestBody: { content: Object.fromEntries(PATCH_TYPES.map((type) => [type, patch])) as object },
    responses: { '200': { description: 'OK' } },
    'x-kubernetes-action': 'patch',
    'x-kubernetes-group-version-kind': { group, version, kind },
  }
}

function schemasOf(resources: readonly Resource[]): object {
  const schemas: Record<string, object> = { [PATCH]: { type: 'object' } }
  const [first] = resources
  const group = first?.group.split('.')[0] ?? ''
  const nameOf = (name: string): string => schemaName(name, group)
  const add = (of: Message, more: object = {}, own: Record<string, object> = {}): void => {
    const name = nameOf(of.name)
    if (schemas[name]) return
    const fields = [...of.byName.values()]
    const properties = fields.map((field) => [field.name, property(field, nameOf)])
    const required = fields.filter(({ isAlways }) => isAlways).map((field) => field.name)
    schemas[name] = {
      type: 'object',
      ...(required.length > 0 && { required }),
      properties: { ...own, ...(Object.fromEntries(properties) as object) },
      ...more,
    }
    for (const { type } of fields) if (isMessage(type)) add(message(type))
  }
  for (const resource of resources) {
    const of = messageOfKind(apiVersionOf(resource), resource.kind)
    const { version, kind } = resource
    const typeMeta = { apiVersion: { type: 'string' }, kind: { type: 'string' } }
    if (of) add(of, { 'x-kubernetes-group-version-kind': [{ group: resource.group, kind, version }] }, typeMeta)
  }
  return schemas
}

/** `Event.events` is called Event in its own group. */
function schemaName(name: string, group: string): string {
  const plain = name.replace(/\..*/, '')
  const home = homeOf(name)
  if (home === 'meta') return `io.k8s.apimachinery.pkg.apis.meta.v1.${plain}`
  return `io.k8s.api.${home === 'core' ? 'core' : group}.v1.${plain}`
}

const SCALARS: Readonly<Record<string, object>> = {
  string: { type: 'string' },
  int: { type: 'integer', format: 'int32' },
  long: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bool: { type: 'boolean' },
  bytes: { type: 'string', format: 'byte' },
  Time: { type: 'string', format: 'date-time' },
  MicroTime: { type: 'string', format: 'date-time' },
  Quantity: { type: 'string' },
  Duration: { type: 'string' },
  IntOrString: { 'x-kubernetes-int-or-string': true, oneOf: [{ type: 'integer' }, { type: 'string' }] },
  ExtraValue: { type: 'array', items: { type: 'string' } },
  RawExtension: { type: 'object' },
  FieldsV1: { type: 'object' },
}

/** Of an item that a patch changes, members that it does not name go. */
const RETAINED = new Set(['Volume'])

function property({ type, shape, mergeKey }: Field, nameOf: (name: string) => string): object {
  const one = SCALARS[type] ?? { allOf: [{ $ref: `#/components/schemas/${nameOf(type)}` }] }
  if (shape === 'map') return { type: 'object', additionalProperties: one }
  if (shape === 'one') return one
  return {
    type: 'array',
    items: one,
    ...(mergeKey && { 'x-kubernetes-patch-merge-key': mergeKey }),
    ...(mergeKey !== undefined && { 'x-kubernetes-patch-strategy': RETAINED.has(type) ? 'merge,retainKeys' : 'merge' }),
  }
}

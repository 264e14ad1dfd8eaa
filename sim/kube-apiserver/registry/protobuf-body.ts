/**
 * Bodies in application/vnd.kubernetes.protobuf, as typed clients send them (kubectl 1.32 and later: create secret, create
 * token, auth can-i). Only the kinds that such clients create are described; field numbers are those of generated.proto.
 */

/** `name`, or `name:type`: a message's name, `int`, `bool`, `bytes` or `time`; `*` repeated, `%` a map from text. */
type Fields = Readonly<Record<number, string>>

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])

const ACCESS: Fields = { 1: 'resourceAttributes:ResourceAttributes', 2: 'nonResourceAttributes:NonResourceAttributes' }

const MESSAGES: Readonly<Record<string, Fields>> = {
  ObjectMeta: {
    1: 'name',
    2: 'generateName',
    3: 'namespace',
    5: 'uid',
    6: 'resourceVersion',
    7: 'generation:int',
    8: 'creationTimestamp:time',
    9: 'deletionTimestamp:time',
    10: 'deletionGracePeriodSeconds:int',
    11: 'labels%',
    12: 'annotations%',
    13: 'ownerReferences*:OwnerReference',
    14: 'finalizers*',
  },
  OwnerReference: {
    1: 'kind',
    3: 'name',
    4: 'uid',
    5: 'apiVersion',
    6: 'controller:bool',
    7: 'blockOwnerDeletion:bool',
  },
  ResourceAttributes: {
    1: 'namespace',
    2: 'verb',
    3: 'group',
    4: 'version',
    5: 'resource',
    6: 'subresource',
    7: 'name',
  },
  NonResourceAttributes: { 1: 'path', 2: 'verb' },
  SubjectAccess: { ...ACCESS, 3: 'user', 4: 'groups*', 5: 'extra%:ExtraValue', 6: 'uid' },
  ExtraValue: { 1: 'items*' },
  SelfSubjectAccess: ACCESS,
  SelfSubjectRules: { 1: 'namespace' },
  TokenReviewSpec: { 1: 'token', 2: 'audiences*' },
  TokenRequestSpec: { 1: 'audiences*', 3: 'boundObjectRef:BoundObjectReference', 4: 'expirationSeconds:int' },
  BoundObjectReference: { 1: 'kind', 2: 'apiVersion', 3: 'name', 4: 'uid' },
  ObjectReference: {
    1: 'kind',
    2: 'namespace',
    3: 'name',
    4: 'uid',
    5: 'apiVersion',
    6: 'resourceVersion',
    7: 'fieldPath',
  },
  LocalObjectReference: { 1: 'name' },
  NamespaceSpec: { 1: 'finalizers*' },
  NamespaceStatus: { 1: 'phase' },
  PolicyRule: { 1: 'verbs*', 2: 'apiGroups*', 3: 'resources*', 4: 'resourceNames*', 5: 'nonResourceURLs*' },
  Subject: { 1: 'kind', 2: 'apiGroup', 3: 'name', 4: 'namespace' },
  RoleRef: { 1: 'apiGroup', 2: 'kind', 3: 'name' },
  AggregationRule: { 1: 'clusterRoleSelectors*:LabelSelector' },
  LabelSelector: { 1: 'matchLabels%' },
  Preconditions: { 1: 'uid', 2: 'resourceVersion' },
}

/** Kinds without their metadata, which is field 1 of each but DeleteOptions. */
const KINDS: Readonly<Record<string, Fields>> = {
  ConfigMap: { 2: 'data%', 3: 'binaryData%:bytes', 4: 'immutable:bool' },
  Secret: { 2: 'data%:bytes', 3: 'type', 4: 'stringData%', 5: 'immutable:bool' },
  ServiceAccount: {
    2: 'secrets*:ObjectReference',
    3: 'imagePullSecrets*:LocalObjectReference',
    4: 'automountServiceAccountToken:bool',
  },
  Namespace: { 2: 'spec:NamespaceSpec', 3: 'status:NamespaceStatus' },
  Binding: { 2: 'target:ObjectReference' },
  Eviction: { 2: 'deleteOptions:DeleteOptions' },
  Role: { 2: 'rules*:PolicyRule' },
  ClusterRole: { 2: 'rules*:PolicyRule', 3: 'aggregationRule:AggregationRule' },
  RoleBinding: { 2: 'subjects*:Subject', 3: 'roleRef:RoleRef' },
  ClusterRoleBinding: { 2: 'subjects*:Subject', 3: 'roleRef:RoleRef' },
  SelfSubjectAccessReview: { 2: 'spec:SelfSubjectAccess' },
  SubjectAccessReview: { 2: 'spec:SubjectAccess' },
  LocalSubjectAccessReview: { 2: 'spec:SubjectAccess' },
  SelfSubjectRulesReview: { 2: 'spec:SelfSubjectRules' },
  SelfSubjectReview: {},
  TokenReview: { 2: 'spec:TokenReviewSpec' },
  TokenRequest: { 2: 'spec:TokenRequestSpec' },
}

const DELETE_OPTIONS: Fields = {
  1: 'gracePeriodSeconds:int',
  2: 'preconditions:Preconditions',
  3: 'orphanDependents:bool',
  4: 'propagationPolicy',
  5: 'dryRun*',
}

/** A kind that is not described here. */
export class UndescribedKind extends Error {
  override readonly name = 'UndescribedKind'
  readonly kind: string

  constructor(kind: string) {
    super(`${kind}: not described in protobuf`)
    this.kind = kind
  }
}

/** The body as the object that its JSON would be. Throws an UndescribedKind, or an Error for what is no such body. */
export function decodeProtobufBody(body: Buffer): object {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  let [apiVersion, kind, raw] = ['', '', Buffer.alloc(0)]
  for (const { number, value } of fieldsOf(body.subarray(MAGIC.length))) {
    if (number === 2) raw = Buffer.from(bytesOf(value))
    if (number !== 1) continue
    for (const part of fieldsOf(bytesOf(value))) {
      if (part.number === 1) apiVersion = bytesOf(part.value).toString()
      if (part.number === 2) kind = bytesOf(part.value).toString()
    }
  }
  const known = KINDS[kind]
  if (!known && kind !== 'DeleteOptions') throw new UndescribedKind(kind)
  const message = messageOf(raw, known ? { 1: 'metadata:ObjectMeta', ...known } : DELETE_OPTIONS)
  return { kind, apiVersion, ...message }
}

type Wire = number | Buffer

function messageOf(bytes: Buffer, fields: Fields): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  for (const { number, value } of fieldsOf(bytes)) {
    const [, name = '', how = '', type = 'text'] = /^(\w+)([*%]?)(?::(\w+))?$/.exec(fields[number] ?? '') ?? []
    if (name === '') continue
    if (how === '%') {
      const [key, entry] = entryOf(bytesOf(value), type)
      message[name] = { ...(message[name] as object | undefined), [key]: entry }
    } else if (how === '*') message[name] = [...((message[name] as unknown[] | undefined) ?? []), valueOf(value, type)]
    // Go writes text that says nothing, and JSON leaves it out
    else if (!(value instanceof Buffer && value.length === 0 && type === 'text')) message[name] = valueOf(value, type)
  }
  return message
}

function entryOf(bytes: Buffer, type: string): [key: string, value: unknown] {
  let [key, value] = ['', valueOf(Buffer.alloc(0), type)]
  for (const part of fieldsOf(bytes)) {
    if (part.number === 1) key = bytesOf(part.value).toString()
    if (part.number === 2) value = valueOf(part.value, type)
  }
  return [key, value]
}

function valueOf(value: Wire, type: string): unknown {
  if (type === 'int') return value
  if (type === 'bool') return value !== 0
  const bytes = bytesOf(value)
  if (type === 'text') return bytes.toString()
  if (type === 'bytes') return bytes.toString('base64')
  if (type === 'time') return timeOf(bytes)
  if (type === 'ExtraValue') return messageOf(bytes, MESSAGES['ExtraValue'] ?? {})['items'] ?? []
  return messageOf(bytes, type === 'DeleteOptions' ? DELETE_OPTIONS : (MESSAGES[type] ?? {}))
}

function timeOf(bytes: Buffer): string | null {
  const seconds = fieldsOf(bytes).find(({ number }) => number === 1)?.value
  if (typeof seconds !== 'number') return null
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
}

function bytesOf(value: Wire): Buffer {
  if (typeof value === 'number') throw new Error('proto: wrong wireType = 0')
  return value
}

interface Field {
  number: number
  value: Wire
}

const VARINT = 0
const LENGTH = 2

function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = []
  for (let at = 0; at < bytes.length;) {
    const [tag, afterTag] = varint(bytes, at)
    const [first, afterFirst] = varint(bytes, afterTag)
    const wire = tag % 8
    if (wire !== VARINT && wire !== LENGTH) throw new Error(`proto: illegal wireType ${wire}`)
    const end = wire === LENGTH ? afterFirst + first : afterFirst
    if (end > bytes.length) throw new Error('unexpected EOF')
    fields.push({ number: Math.floor(tag / 8), value: wire === LENGTH ? bytes.subarray(afterFirst, end) : first })
    at = end
  }
  return fields
}

function varint(bytes: Buffer, start: number): [value: number, next: number] {
  let value = 0n
  for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
    const byte = bytes[at]
    if (byte === undefined) throw new Error('unexpected EOF')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return [Number(BigInt.asIntN(64, value)), at + 1]
  }
  throw new Error('proto: integer overflow')
}

/**
 * How an object becomes the bytes that lie in etcd: Kubernetes' own envelope, the magic `k8s\0` and runtime.Unknown
 * {1 typeMeta {1 apiVersion, 2 kind}, 2 raw, 3 contentEncoding, 4 contentType}, with the kind's own protobuf message as raw.
 * apimachinery/pkg/runtime/serializer/protobuf. Plain JSON is read as well, as the real server does.
 */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { conform } from '../schema/conform.ts'
import { messageOfKind } from '../schema/message-fields.ts'
import type { Message } from '../schema/message-fields.ts'
import { bytesOf, decodeMessage, wireFields } from '../schema/protobuf-decoder.ts'
import { encodeMessage } from '../schema/protobuf-encoder.ts'

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])
/** contentEncoding and contentType, which say nothing. */
const UNSAID = Buffer.from([0x1a, 0x00, 0x22, 0x00])

export class UndescribedKind extends Error {
  override readonly name = 'UndescribedKind'
  readonly apiVersion: string
  readonly kind: string

  constructor(apiVersion: string, kind: string) {
    const scheme = 'in scheme "pkg/runtime/scheme.go:111"'
    super(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} ${scheme}`)
    this.apiVersion = apiVersion
    this.kind = kind
  }
}

/** The bytes of an object. Its resourceVersion is not stored: it is the revision of the write itself. */
export function encodeObject(object: KubeObject): Buffer {
  const { resourceVersion: _, ...metadata } = object.metadata
  return encodeEnvelope({ ...object, metadata })
}

export interface Typed {
  apiVersion: string
  kind: string
  [member: string]: unknown
}

/** An object, list or Status in its envelope. Throws an UndescribedKind. */
export function encodeEnvelope(value: Typed): Buffer {
  const { apiVersion, kind } = value
  const raw = encodeMessage(value, described(apiVersion, kind))
  const typeMeta = Buffer.concat([field(1, Buffer.from(apiVersion)), field(2, Buffer.from(kind))])
  return Buffer.concat([MAGIC, field(1, typeMeta), field(2, raw), UNSAID])
}

/** An object as it would be read had it been written: Go's members in Go's order. */
export function asStored(object: KubeObject): KubeObject {
  return decodeEnvelope(encodeEnvelope(object)) as KubeObject
}

/** The object of stored bytes. Throws with the real decoder's text where it has one. */
export function decodeObject(bytes: Buffer, modRevision: number): KubeObject {
  const object = isEnvelope(bytes) ? (decodeEnvelope(bytes) as KubeObject) : fromJson(bytes)
  return withRevision(object, modRevision)
}

export function isEnvelope(bytes: Buffer): boolean {
  return bytes.subarray(0, MAGIC.length).equals(MAGIC)
}

/** What an envelope holds, as its JSON would be. Throws an UndescribedKind, or an Error for what is no envelope. */
export function decodeEnvelope(bytes: Buffer): Typed {
  if (!isEnvelope(bytes)) {
    throw new Error('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  if (bytes.length === MAGIC.length) throw new Error('empty body')
  let [apiVersion, kind, raw] = ['', '', Buffer.alloc(0)]
  for (const { number, value } of wireFields(bytes.subarray(MAGIC.length))) {
    if (number === 2) raw = Buffer.from(bytesOf(value))
    if (number !== 1) continue
    for (const part of wireFields(bytesOf(value))) {
      if (part.number === 1) apiVersion = bytesOf(part.value).toString()
      if (part.number === 2) kind = bytesOf(part.value).toString()
    }
  }
  return { kind, apiVersion, ...decodeMessage(raw, described(apiVersion, kind)) }
}

function described(apiVersion: string, kind: string): Message {
  const found = messageOfKind(apiVersion, kind)
  if (!found) throw new UndescribedKind(apiVersion, kind)
  return found
}

function fromJson(bytes: Buffer): KubeObject {
  const value = JSON.parse(bytes.toString()) as KubeObject
  const { members } = conform(value, described(value.apiVersion, value.kind))
  return members as KubeObject
}

/** resourceVersion stands where the struct has it. */
function withRevision({ kind, apiVersion, metadata, ...rest }: KubeObject, revision: number): KubeObject {
  const { name, generateName, namespace, selfLink, uid, ...more } = metadata
  const identity = {
    ...(name !== undefined && { name }),
    ...(generateName !== undefined && { generateName }),
    ...(namespace !== undefined && { namespace }),
    ...(selfLink !== undefined && { selfLink }),
    ...(uid !== undefined && { uid }),
  }
  return { kind, apiVersion, metadata: { ...identity, resourceVersion: String(revision), ...more }, ...rest }
}

/** A length-delimited protobuf field. */
function field(number: number, value: Buffer): Buffer {
  const head = [(number << 3) | 2]
  let length = value.length
  for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length % 128) | 0x80)
  head.push(length)
  return Buffer.concat([Buffer.from(head), value])
}

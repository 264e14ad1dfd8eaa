/**
 * How an object becomes the bytes that lie in etcd. Everything that knows this layout is here.
 *
 * The envelope is Kubernetes' own: the magic `k8s\0`, then runtime.Unknown {1 typeMeta {1 apiVersion, 2 kind}, 2 raw,
 * 4 contentType} in protobuf. `raw` is JSON and says so in contentType, where the real server writes the kind's own
 * protobuf message: Secret data therefore lies here as base64 text. Plain JSON is read as well, as the real one does.
 */
import type { KubeObject } from '../../../lib/kube/object.ts'

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])
const CONTENT_TYPE = 'application/json'

/** The bytes of an object. Its resourceVersion is not stored: it is the revision of the write itself. */
export function encodeObject(object: KubeObject): Buffer {
  const { resourceVersion: _, ...metadata } = object.metadata
  const raw = Buffer.from(JSON.stringify({ ...object, metadata }))
  const typeMeta = Buffer.concat([field(1, Buffer.from(object.apiVersion)), field(2, Buffer.from(object.kind))])
  return Buffer.concat([MAGIC, field(1, typeMeta), field(2, raw), field(4, Buffer.from(CONTENT_TYPE))])
}

/** The object of stored bytes. Throws with the real decoder's text where it has one. */
export function decodeObject(bytes: Buffer, modRevision: number): KubeObject {
  const object = JSON.parse(rawJson(bytes)) as KubeObject
  object.metadata = { ...object.metadata, resourceVersion: String(modRevision) }
  return object
}

function rawJson(bytes: Buffer): string {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return bytes.toString()
  if (bytes.length === MAGIC.length) throw new Error('empty body')
  for (let at = MAGIC.length; at < bytes.length;) {
    const number = (bytes[at] ?? 0) >> 3
    const [length, start] = varint(bytes, at + 1)
    if (number === 2) return bytes.toString('utf8', start, start + length)
    at = start + length
  }
  throw new Error('unexpected EOF')
}

/** A length-delimited protobuf field. */
function field(number: number, value: Buffer): Buffer {
  const head = [(number << 3) | 2]
  let length = value.length
  for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length % 128) | 0x80)
  head.push(length)
  return Buffer.concat([Buffer.from(head), value])
}

function varint(bytes: Buffer, at: number): [value: number, next: number] {
  let value = 0
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++]
    if (byte === undefined) throw new Error('unexpected EOF')
    value += (byte & 0x7f) * shift
    if (byte < 0x80) return [value, at]
  }
}

import type { Hash } from './signature-algorithm.ts'

/**
 * RSASSA-PSS-params (RFC 4055 section 3.1), read by the looser rules of Go's encoding/asn1, which is what getSignatureAlgorithmFromAI uses
 * for them: trailing bytes are ignored, an explicit tag's own length is not compared with its content's.
 */
interface Element {
  class: number
  tag: number
  constructed: boolean
  start: number
  end: number
}

class Unreadable extends Error {}

function unreadable(): never {
  throw new Unreadable()
}

const UNIVERSAL = 0
const CONTEXT = 2
const INTEGER = 2
const OID = 6
const SEQUENCE = 16

const HASHES = new Map<string, { hash: Hash; octets: bigint }>([
  ['608648016503040201', { hash: 'sha256', octets: 32n }],
  ['608648016503040202', { hash: 'sha384', octets: 48n }],
  ['608648016503040203', { hash: 'sha512', octets: 64n }],
])
const MGF1 = '2a864886f70d010108'

/** The message hash where Go takes the parameters: mask hash and salt length have to follow it. */
export function pssHash(parameters: Buffer): Hash | undefined {
  try {
    const [hash, mask, salt, trailer] = pssFields(parameters)
    const [maskHash] = algorithm(mask.parameters, 0)
    const known = HASHES.get(hash.oid)
    const plain = [hash, maskHash].every(({ parameters: p }) => p.length === 0 || p.equals(Buffer.from([5, 0])))
    if (!plain || mask.oid !== MGF1 || maskHash.oid !== hash.oid || trailer !== 1n) return undefined
    return known?.octets === salt ? known.hash : undefined
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  }
}

interface Algorithm {
  /** Content octets in hex. */
  oid: string
  parameters: Buffer
}

function pssFields(bytes: Buffer): [hash: Algorithm, mask: Algorithm, salt: bigint, trailer: bigint] {
  const outer = sequence(element(bytes, 0), bytes)
  const [hash, afterHash] = algorithm(outer, explicit(outer, 0, 0) ?? unreadable())
  const [mask, afterMask] = algorithm(outer, explicit(outer, afterHash, 1) ?? unreadable())
  const saltElement = element(outer, explicit(outer, afterMask, 2) ?? unreadable())
  const salt = isUniversal(saltElement, INTEGER) ? integer(content(saltElement, outer)) : unreadable()
  return [hash, mask, salt, trailerField(outer, saltElement.end)]
}

/** Optional with default 1, also where something else stands in its place. */
function trailerField(outer: Buffer, offset: number): bigint {
  if (offset === outer.length) return 1n
  const inner = explicit(outer, offset, 3)
  if (inner === undefined) return 1n
  const value = element(outer, inner)
  return isUniversal(value, INTEGER) ? integer(content(value, outer)) : 1n
}

/** Where the content of the explicit tag begins; `undefined` where another tag stands. */
function explicit(bytes: Buffer, offset: number, tag: number): number | undefined {
  const outer = element(bytes, offset)
  if (outer.start === bytes.length) unreadable()
  const length = outer.end - outer.start
  if (outer.class !== CONTEXT || outer.tag !== tag || (length > 0 && !outer.constructed)) return undefined
  return length === 0 ? unreadable() : outer.start
}

function algorithm(bytes: Buffer, offset: number): [Algorithm, end: number] {
  const outer = element(bytes, offset)
  const fields = sequence(outer, bytes)
  const oid = element(fields, 0)
  if (!isUniversal(oid, OID)) unreadable()
  const octets = content(oid, fields)
  if (!isObjectIdentifier(octets)) unreadable()
  let parameters: Buffer = Buffer.alloc(0)
  if (oid.end < fields.length) {
    const any = element(fields, oid.end)
    content(any, fields)
    parameters = fields.subarray(oid.end, any.end)
  }
  return [{ oid: octets.toString('hex'), parameters }, outer.end]
}

function sequence(found: Element, bytes: Buffer): Buffer {
  if (found.class !== UNIVERSAL || found.tag !== SEQUENCE || !found.constructed) unreadable()
  return content(found, bytes)
}

const isUniversal = (found: Element, tag: number): boolean =>
  found.class === UNIVERSAL && found.tag === tag && !found.constructed

function content(found: Element, bytes: Buffer): Buffer {
  return found.end > bytes.length ? unreadable() : bytes.subarray(found.start, found.end)
}

function integer(octets: Buffer): bigint {
  const [first, second] = octets
  if (first === undefined || octets.length > 8) unreadable()
  if (second !== undefined && (second & 0x80 ? first === 0xff : first === 0)) unreadable()
  return BigInt.asIntN(octets.length * 8, BigInt(`0x${octets.toString('hex')}`))
}

/** Minimal base-128 numbers below 2^31. */
function isObjectIdentifier(octets: Buffer): boolean {
  for (let offset = 0; offset < octets.length;) {
    const number = base128(octets, offset)
    if (number === undefined) return false
    offset = number.end
  }
  return octets.length > 0
}

function base128(bytes: Buffer, offset: number): { value: number; end: number } | undefined {
  let value = 0
  for (let i = 0; i < 5; i++) {
    const octet = bytes[offset + i]
    if (octet === undefined || (i === 0 && octet === 0x80)) return undefined
    value = value * 128 + (octet & 0x7f)
    if (!(octet & 0x80)) return value > 0x7fffffff ? undefined : { value, end: offset + i + 1 }
  }
  return undefined
}

/** encoding/asn1's parseTagAndLength: multi-octet tags are read, any number of length octets up to 2^31 is. */
function element(bytes: Buffer, start: number): Element {
  const first = bytes[start] ?? unreadable()
  const base = { class: first >> 6, constructed: (first & 0x20) !== 0, tag: first & 0x1f }
  let offset = start + 1
  if (base.tag === 0x1f) {
    const long = base128(bytes, offset)
    if (long === undefined || long.value < 0x1f) return unreadable()
    base.tag = long.value
    offset = long.end
  }
  let length = bytes[offset++] ?? unreadable()
  if (length & 0x80) {
    const octets = length & 0x7f
    if (octets === 0) unreadable()
    length = 0
    for (let i = 0; i < octets; i++) {
      if (length >= 1 << 23) unreadable()
      length = length * 256 + (bytes[offset++] ?? unreadable())
      if (length === 0) unreadable()
    }
    if (length < 0x80) unreadable()
  }
  return { ...base, start: offset, end: offset + length }
}

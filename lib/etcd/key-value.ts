/**
 * mvccpb.KeyValue in its wire form, which is also the form it has in the db file, and the keys that it lies under there.
 * Read by hand because a member reads every revision it has at start.
 */
import { ProtoWriter } from './protobuf.ts'

export interface StoredKeyValue {
  key: Buffer
  createRevision: number
  modRevision: number
  version: number
  value: Buffer
  /** 0n: none. */
  lease: bigint
}

export function encodeKeyValue(kv: {
  key: Uint8Array
  createRevision: number
  modRevision: number
  version: number
  value: Uint8Array
  lease: bigint
}): Buffer {
  return new ProtoWriter(kv.key.length + kv.value.length + 64)
    .bytes(1, kv.key)
    .number(2, kv.createRevision)
    .number(3, kv.modRevision)
    .number(4, kv.version)
    .bytes(5, kv.value)
    .bigint(6, kv.lease)
    .finish()
}

const EMPTY = Buffer.alloc(0)

/** Key and value are views of `bytes`. @throws Error for bytes that are no such message. */
export function decodeKeyValue(bytes: Buffer): StoredKeyValue {
  const kv: StoredKeyValue = { key: EMPTY, createRevision: 0, modRevision: 0, version: 0, value: EMPTY, lease: 0n }
  const end = bytes.length
  let at = 0
  while (at < end) {
    const tag = bytes[at++]!
    let number = 0
    let factor = 1
    const start = at
    for (;;) {
      if (at === end || at - start === 10) throw new Error('unexpected EOF')
      const byte = bytes[at++]!
      number += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 0x80
    }
    if (tag === 0x0a || tag === 0x2a) {
      if (at + number > end) throw new Error('unexpected EOF')
      const view = bytes.subarray(at, at + number)
      if (tag === 0x0a) kv.key = view
      else kv.value = view
      at += number
    } else if (tag === 0x10) kv.createRevision = number
    else if (tag === 0x18) kv.modRevision = number
    else if (tag === 0x20) kv.version = number
    else if (tag === 0x30) kv.lease = signedVarint(bytes, start, at)
    else throw new Error(`proto: KeyValue: illegal tag ${tag}`)
  }
  return kv
}

/**
 * Where in `bytes` the key of a KeyValue lies, and its lease, with nothing made of the rest: for those who read a million.
 * @throws Error for bytes that are no such message.
 */
export function scanKeyValue(bytes: Buffer, start: number, end: number): { key: string; lease: bigint } {
  let key = ''
  let lease = 0n
  for (let at = start; at < end;) {
    const tag = bytes[at++]!
    const numberStart = at
    let number = 0
    let factor = 1
    for (;;) {
      if (at === end || at - numberStart === 10) throw new Error('unexpected EOF')
      const byte = bytes[at++]!
      number += (byte & 0x7f) * factor
      if (byte < 0x80) break
      factor *= 0x80
    }
    if (tag === 0x30) lease = signedVarint(bytes, numberStart, at)
    if (tag !== 0x0a && tag !== 0x2a) continue
    if (at + number > end) throw new Error('unexpected EOF')
    if (tag === 0x0a) key = bytes.toString('latin1', at, at + number)
    at += number
  }
  return { key, lease }
}

function signedVarint(bytes: Buffer, start: number, end: number): bigint {
  let value = 0n
  for (let at = end - 1; at >= start; at -= 1) value = (value << 7n) | BigInt(bytes[at]! & 0x7f)
  return BigInt.asIntN(64, value)
}

/** The key under which a revision lies in the `key` bucket: main, `_`, sub, and `t` for a deletion (mvcc/revision.go). */
export function revisionKey(main: number, sub: number, isTombstone = false): Buffer {
  const bytes = Buffer.allocUnsafe(isTombstone ? 18 : 17)
  bytes.writeUInt32BE(Math.floor(main / 2 ** 32), 0)
  bytes.writeUInt32BE(main % 2 ** 32, 4)
  bytes[8] = 0x5f
  bytes.writeUInt32BE(Math.floor(sub / 2 ** 32), 9)
  bytes.writeUInt32BE(sub % 2 ** 32, 13)
  if (isTombstone) bytes[17] = 0x74
  return bytes
}

export interface Revision {
  main: number
  sub: number
  isTombstone: boolean
}

/** `undefined` for bytes that are no revision's key. */
export function parseRevisionKey(bytes: Buffer, start = 0, end = bytes.length): Revision | undefined {
  const isTombstone = end - start === 18 && bytes[start + 17] === 0x74
  if ((end - start !== 17 && !isTombstone) || bytes[start + 8] !== 0x5f) return undefined
  return {
    main: bytes.readUInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4),
    sub: bytes.readUInt32BE(start + 9) * 2 ** 32 + bytes.readUInt32BE(start + 13),
    isTombstone,
  }
}

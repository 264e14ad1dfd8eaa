/**
 * Protobuf's wire format by hand, for what is read and written at every request and what lies on the disk: numbers are
 * JavaScript numbers, which hold every revision that a range will ever see, and only ids (uint64, leases) are bigint.
 */

export const VARINT = 0
export const LENGTH_DELIMITED = 2

const MOST_BYTES_OF_A_VARINT = 10

/** Writes one message, field after field; zero values are left out as proto3 does. */
export class ProtoWriter {
  #bytes: Buffer
  #at = 0

  constructor(capacityBytes = 128) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes)
  }

  number(field: number, value: number): this {
    return value === 0 ? this : this.numberAlways(field, value)
  }

  /** For proto2 fields that etcd writes even when they are zero (gogoproto's nullable = false). */
  numberAlways(field: number, value: number): this {
    this.#reserve(MOST_BYTES_OF_A_VARINT * 2)
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
    return this
  }

  bigint(field: number, value: bigint): this {
    return value === 0n ? this : this.bigintAlways(field, value)
  }

  bigintAlways(field: number, value: bigint): this {
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) return this.numberAlways(field, Number(value))
    this.#reserve(MOST_BYTES_OF_A_VARINT * 2)
    this.#varint(field * 8 + VARINT)
    this.#bigVarint(value)
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.bytesAlways(field, value)
  }

  /** A nested message, also an empty one; or bytes that must be there. */
  bytesAlways(field: number, value: Uint8Array): this {
    this.#reserve(value.length + MOST_BYTES_OF_A_VARINT * 2)
    this.#varint(field * 8 + LENGTH_DELIMITED)
    this.#varint(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  string(field: number, value: string): this {
    return value === '' ? this : this.bytesAlways(field, Buffer.from(value, 'utf8'))
  }

  /** Bytes as they are: fields that are encoded already, or a frame around the message. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  get length(): number {
    return this.#at
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  #varint(value: number): void {
    if (value < 0) return this.#bigVarint(BigInt(value))
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  #bigVarint(value: bigint): void {
    let rest = BigInt.asUintN(64, value)
    for (; rest >= 0x80n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80
    this.#bytes[this.#at++] = Number(rest)
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const bigger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more))
    this.#bytes.copy(bigger, 0, 0, this.#at)
    this.#bytes = bigger
  }
}

/** One field of a message: `number` for varints (exact up to 2^53; `bigint` is exact always), `bytes` for the rest. */
export interface ProtoField {
  field: number
  number: number
  bigint: () => bigint
  bytes: Buffer
}

const NO_BYTES = Buffer.alloc(0)

/** Calls back for each field in order. @throws Error `unexpected EOF` or `proto: ...`, as gogoproto says. */
export function readProto(message: Uint8Array, visit: (field: ProtoField) => void): void {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  let at = 0
  const varint = (): number => {
    let value = 0
    let factor = 1
    for (let count = 0; count < MOST_BYTES_OF_A_VARINT; count += 1) {
      const byte = bytes[at]
      if (byte === undefined) throw new Error('unexpected EOF')
      at += 1
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 0x80
    }
    throw new Error('proto: integer overflow')
  }
  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    const kind = tag % 8
    if (field === 0) throw new Error(`proto: illegal tag 0 (wire type ${kind})`)
    if (kind === VARINT) {
      const start = at
      const number = varint()
      visit({ field, number, bigint: () => bigVarint(bytes, start), bytes: NO_BYTES })
    } else if (kind === LENGTH_DELIMITED) {
      const length = varint()
      if (at + length > bytes.length) throw new Error('unexpected EOF')
      visit({ field, number: 0, bigint: () => 0n, bytes: bytes.subarray(at, at + length) })
      at += length
    } else if (kind === 1 || kind === 5) {
      at += kind === 1 ? 8 : 4
      if (at > bytes.length) throw new Error('unexpected EOF')
    } else throw new Error(`proto: illegal wireType ${kind}`)
  }
}

function bigVarint(bytes: Buffer, start: number): bigint {
  let value = 0n
  for (let at = start, shift = 0n; ; at += 1, shift += 7n) {
    value |= BigInt(bytes[at]! & 0x7f) << shift
    if (bytes[at]! < 0x80) return BigInt.asUintN(64, value)
  }
}

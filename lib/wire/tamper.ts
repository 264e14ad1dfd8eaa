/** Changes TLS records as they pass one direction of a connection, from its first byte. */
import type { Edit, RecordChoice } from './fault.ts'
import { isRecordHeader, readTlsRecords, RECORD_TYPE, type TlsRecord } from './tls-records.ts'
import { withoutVersionsAbove } from './strip-versions.ts'

export interface Tampered {
  bytes: Buffer
  /** Nothing more passes: a FIN stands in the place of what would have. */
  fin?: true
}

const HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4
const CLIENT_HELLO = 1
const CERTIFICATE_REQUEST = 13

/** A handshake message longer than this is passed on as it stands. */
const LONGEST_MESSAGE_BYTES = 64 * 1024

/** Holds at most one unfinished record, and the one that waits to change places. What is no TLS passes unchanged. */
export class Tamper {
  readonly #edit: Edit
  /** Bytes of a record that has not come to its end. */
  #rest: Buffer = Buffer.alloc(0)
  #isTls = true
  #records = 0
  readonly #ofType = new Map<number, number>()
  #waiting: Buffer | undefined
  /** Handshake bytes of a message that has not come to its end. */
  #message: Buffer = Buffer.alloc(0)
  #sealed = false
  #ended = false

  constructor(edit: Edit) {
    this.#edit = edit
  }

  push(chunk: Buffer): Tampered {
    if (this.#ended) return { bytes: Buffer.alloc(0) }
    if (!this.#isTls) return { bytes: chunk }
    const stream = Buffer.concat([this.#rest, chunk])
    this.#rest = Buffer.alloc(0)
    const { records, rest } = readTlsRecords(stream)
    const out: Buffer[] = []
    for (const record of records) {
      const isChosen = this.#isChosen(record)
      if (isChosen && this.#edit.act === 'truncate') {
        this.#ended = true
        return { bytes: Buffer.concat(out), fin: true }
      }
      out.push(...this.#passed(record, isChosen))
    }
    this.#rest = Buffer.from(rest)
    if (rest.length >= HEADER_BYTES && !startsRecord(rest)) {
      this.#isTls = false
      out.push(...this.#held())
    }
    return { bytes: Buffer.concat(out) }
  }

  /** What is still held when the sender has said its last. */
  end(): Buffer {
    return Buffer.concat(this.#held())
  }

  #held(): Buffer[] {
    const held = [this.#waiting, this.#message.length > 0 ? handshakeRecord(this.#message) : undefined, this.#rest]
    this.#waiting = undefined
    this.#message = Buffer.alloc(0)
    this.#rest = Buffer.alloc(0)
    return held.filter((each) => each !== undefined)
  }

  /** Counts the record, and says whether it is the one. */
  #isChosen({ type }: TlsRecord): boolean {
    const ofType = this.#ofType.get(type) ?? 0
    const ofAll = this.#records
    this.#ofType.set(type, ofType + 1)
    this.#records += 1
    if (!('record' in this.#edit)) return false
    const { record }: { record: RecordChoice } = this.#edit
    return record.type === undefined ? record.index === ofAll : record.type === type && record.index === ofType
  }

  #passed(record: TlsRecord, isChosen: boolean): Buffer[] {
    const edit = this.#edit
    const whole = bytesOf(record)
    if (this.#waiting !== undefined) {
      const waiting = this.#waiting
      this.#waiting = undefined
      return [whole, waiting]
    }
    switch (edit.act) {
      case 'flip':
        return [isChosen ? flipped(record, edit.bit) : whole]
      case 'replay':
        return isChosen ? [whole, whole] : [whole]
      case 'reorder':
        if (!isChosen) return [whole]
        this.#waiting = whole
        return []
      case 'inject-alert':
        return isChosen ? [alertRecord(edit.level, edit.description), whole] : [whole]
      case 'strip-versions':
        return [this.#records === 1 ? withHello(record, edit.above) : whole]
      case 'drop-certificate-request':
        return this.#withoutRequest(record)
      case 'truncate':
        return [whole]
    }
  }

  /** Handshake messages are put into records anew, one for each message: a record may hold several, or a part of one. */
  #withoutRequest(record: TlsRecord): Buffer[] {
    if (record.type !== RECORD_TYPE.handshake || this.#sealed) {
      this.#sealed ||= record.type === RECORD_TYPE.changeCipherSpec || record.type === RECORD_TYPE.applicationData
      return [...this.#held(), bytesOf(record)]
    }
    const out: Buffer[] = []
    let left = Buffer.concat([this.#message, record.body])
    while (left.length >= MESSAGE_HEADER_BYTES) {
      const length = MESSAGE_HEADER_BYTES + left.readUIntBE(1, 3)
      if (length > LONGEST_MESSAGE_BYTES) {
        this.#sealed = true
        out.push(handshakeRecord(left))
        left = Buffer.alloc(0)
      }
      if (left.length < length) break
      if (left[0] !== CERTIFICATE_REQUEST) out.push(handshakeRecord(left.subarray(0, length)))
      left = left.subarray(length)
    }
    this.#message = left
    return out
  }
}

function startsRecord(bytes: Buffer): boolean {
  return isRecordHeader(bytes.readUInt8(0), bytes.readUInt16BE(1), bytes.readUInt16BE(3))
}

function bytesOf({ type, version, body }: TlsRecord): Buffer {
  const header = Buffer.from([type, version >> 8, version & 0xff, body.length >> 8, body.length & 0xff])
  return Buffer.concat([header, body])
}

function flipped(record: TlsRecord, bit = record.body.length * 8 - 1): Buffer {
  const body = Buffer.from(record.body)
  const at = Math.floor(bit / 8) % Math.max(1, body.length)
  if (body.length > 0) body[at] = (body[at] ?? 0) ^ (0x80 >> (bit % 8))
  return bytesOf({ ...record, body })
}

function alertRecord(level: number, description: number): Buffer {
  return Buffer.from([RECORD_TYPE.alert, 3, 3, 0, 2, level, description])
}

/** RFC 8446 section 5.1: no more than 2^14 bytes in one. */
function handshakeRecord(message: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += 2 ** 14) {
    const body = message.subarray(at, at + 2 ** 14)
    parts.push(bytesOf({ type: RECORD_TYPE.handshake, version: 0x0303, offset: 0, body }))
  }
  return Buffer.concat(parts)
}

function withHello(record: TlsRecord, above: number): Buffer {
  const isHello = record.type === RECORD_TYPE.handshake && record.body[0] === CLIENT_HELLO
  const stripped = isHello ? withoutVersionsAbove(record.body.subarray(MESSAGE_HEADER_BYTES), above) : undefined
  if (stripped === undefined) return bytesOf(record)
  const header = Buffer.from([CLIENT_HELLO, 0, stripped.length >> 8, stripped.length & 0xff])
  return bytesOf({ ...record, body: Buffer.concat([header, stripped]) })
}

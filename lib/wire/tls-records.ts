/** TLS records as a tap sees them (RFC 8446 section 5.1, RFC 5246 section 6.2.1): sealed or not, their outside is clear. */

export const RECORD_TYPE = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

export interface TlsRecord {
  type: number
  /** As the record says: 0x0303 at TLS 1.3 too. */
  version: number
  /** Of the whole stream, where the record's header begins. */
  offset: number
  /** Without the header; sealed bytes count with their tag. */
  body: Buffer
}

export interface TlsStream {
  records: TlsRecord[]
  /** What follows the last whole record: nothing, a record that was cut short, or bytes that are no TLS. */
  rest: Buffer
}

const HEADER_BYTES = 5

/** RFC 5246 section 6.2.3: 2^14 and what sealing may add at TLS 1.2. */
const LONGEST_BODY_BYTES = 2 ** 14 + 2048

export function readTlsRecords(stream: Buffer): TlsStream {
  const records: TlsRecord[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= stream.length) {
    const type = stream.readUInt8(offset)
    const version = stream.readUInt16BE(offset + 1)
    const length = stream.readUInt16BE(offset + 3)
    const end = offset + HEADER_BYTES + length
    if (!isRecordHeader(type, version, length) || end > stream.length) break
    records.push({ type, version, offset, body: stream.subarray(offset + HEADER_BYTES, end) })
    offset = end
  }
  return { records, rest: stream.subarray(offset) }
}

/** Whether every byte lies in a record, the last one perhaps cut short: a captured direction of TLS and nothing else. */
export function isAllTls(stream: Buffer): boolean {
  const { records, rest } = readTlsRecords(stream)
  if (records.length === 0) return false
  if (rest.length < HEADER_BYTES) return rest.length === 0 || rest.readUInt8(0) >> 2 === 5
  return isRecordHeader(rest.readUInt8(0), rest.readUInt16BE(1), rest.readUInt16BE(3))
}

export function isRecordHeader(type: number, version: number, length: number): boolean {
  return type >= 20 && type <= 23 && version >> 8 === 3 && (version & 0xff) <= 4 && length <= LONGEST_BODY_BYTES
}

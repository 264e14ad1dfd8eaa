/** The blocks of a pcapng file that a tap writes (draft-ietf-opsawg-pcapng), all in little-endian order. */

export const BLOCK = {
  section: 0x0a0d0d0a,
  interface: 1,
  nameResolution: 4,
  enhancedPacket: 6,
  decryptionSecrets: 10,
} as const

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

/** LINKTYPE_RAW: a packet begins with its IP header. */
export const LINKTYPE_RAW = 101

/** `TLSK`: an SSLKEYLOGFILE. */
export const SECRETS_TLS_KEY_LOG = 0x544c534b

export interface HostName {
  name: string
  address: string
}

export interface Option {
  code: number
  value: Buffer
}

const OPTION_COMMENT = 1

export function sectionHeader(application: string): Buffer {
  const body = Buffer.alloc(16)
  body.writeUInt32LE(BYTE_ORDER_MAGIC, 0)
  body.writeUInt16LE(1, 4)
  // Section length unknown: it grows.
  body.writeBigInt64LE(-1n, 8)
  return block(BLOCK.section, [body, options([{ code: 4, value: Buffer.from(application) }])])
}

/** Timestamps are in microseconds, the default where no if_tsresol stands. */
export function interfaceDescription(name: string, description: string): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt16LE(LINKTYPE_RAW, 0)
  const texts = [
    { code: 2, value: Buffer.from(name) },
    { code: 3, value: Buffer.from(description) },
  ]
  return block(BLOCK.interface, [body, options(texts)])
}

/** IPv4 names only: an IPv6 face is shown by its address. */
export function nameResolution(names: readonly HostName[]): Buffer {
  const records = names
    .filter(({ address }) => !address.includes(':'))
    .map(({ name, address }) => {
      const value = Buffer.concat([Buffer.from(address.split('.').map(Number)), Buffer.from(`${name}\0`)])
      return padded(1, value)
    })
  return block(BLOCK.nameResolution, [...records, Buffer.alloc(4)])
}

/** NSS key log lines; a reader applies them to the packets that follow. */
export function decryptionSecrets(keyLog: string): Buffer {
  const value = Buffer.from(keyLog)
  const body = Buffer.alloc(8)
  body.writeUInt32LE(SECRETS_TLS_KEY_LOG, 0)
  body.writeUInt32LE(value.length, 4)
  return block(BLOCK.decryptionSecrets, [body, value, padding(value.length)])
}

/** The pieces of one packet, payload uncopied. */
export function enhancedPacket(timeUs: number, header: Buffer, payload: Buffer, comment?: string): Buffer[] {
  const captured = header.length + payload.length
  const rest = comment === undefined ? undefined : options([{ code: OPTION_COMMENT, value: Buffer.from(comment) }])
  const length = 32 + captured + padLength(captured) + (rest?.length ?? 0)
  const head = Buffer.alloc(28)
  head.writeUInt32LE(BLOCK.enhancedPacket, 0)
  head.writeUInt32LE(length, 4)
  head.writeUInt32LE(Math.floor(timeUs / 0x1_0000_0000), 12)
  head.writeUInt32LE(timeUs % 0x1_0000_0000, 16)
  head.writeUInt32LE(captured, 20)
  head.writeUInt32LE(captured, 24)
  const tail = Buffer.alloc(padLength(captured) + 4)
  if (rest === undefined) {
    tail.writeUInt32LE(length, tail.length - 4)
    return [head, header, payload, tail]
  }
  const last = Buffer.alloc(4)
  last.writeUInt32LE(length, 0)
  return [head, header, payload, padding(captured), rest, last]
}

function block(type: number, parts: readonly Buffer[]): Buffer {
  const length = 12 + parts.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(type, 0)
  head.writeUInt32LE(length, 4)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(length, 0)
  return Buffer.concat([head, ...parts, tail])
}

function options(list: readonly Option[]): Buffer {
  return Buffer.concat([...list.map(({ code, value }) => padded(code, value)), Buffer.alloc(4)])
}

/** Type, length, value, padded to 32 bits: the form of options and of name records. */
function padded(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(value.length, 2)
  return Buffer.concat([head, value, padding(value.length)])
}

function padding(length: number): Buffer {
  return Buffer.alloc(padLength(length))
}

function padLength(length: number): number {
  return (4 - (length % 4)) % 4
}

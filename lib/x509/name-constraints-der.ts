/** The value of a name constraints extension (RFC 5280, section 4.2.1.10), for certificates that test them. */
import { isIP } from 'node:net'

export interface NameConstraints {
  permitted?: NameSubtrees
  excluded?: NameSubtrees
}

export interface NameSubtrees {
  dns?: readonly string[]
  emails?: readonly string[]
  uris?: readonly string[]
  /** IPv4 with prefix length: `10.0.0.0/8`. */
  ranges?: readonly string[]
}

const SEQUENCE = 0x30
// GeneralName's context tags, section 4.2.1.6.
const EMAIL = 0x81
const DNS = 0x82
const URI = 0x86
const IP = 0x87

export function nameConstraintsDer(constraints: NameConstraints): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = []
  if (constraints.permitted) parts.push(tlv(0xa0, ...subtrees(constraints.permitted)))
  if (constraints.excluded) parts.push(tlv(0xa1, ...subtrees(constraints.excluded)))
  return new Uint8Array(tlv(SEQUENCE, ...parts))
}

function subtrees(names: NameSubtrees): Buffer[] {
  return [
    ...(names.dns ?? []).map((name) => subtree(DNS, Buffer.from(name, 'latin1'))),
    ...(names.emails ?? []).map((name) => subtree(EMAIL, Buffer.from(name, 'latin1'))),
    ...(names.uris ?? []).map((name) => subtree(URI, Buffer.from(name, 'latin1'))),
    ...(names.ranges ?? []).map((range) => subtree(IP, addressAndMask(range))),
  ]
}

function subtree(tag: number, value: Buffer): Buffer {
  return tlv(SEQUENCE, tlv(tag, value))
}

function addressAndMask(range: string): Buffer {
  const [address = '', bits = ''] = range.split('/')
  const prefix = Number(bits)
  if (isIP(address) !== 4 || !(prefix >= 0 && prefix <= 32)) {
    throw new Error(`[name_constraints] ${range}: a range is an IPv4 address and a prefix length`)
  }
  const mask = Buffer.alloc(4)
  mask.writeUInt32BE(prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0)
  return Buffer.concat([Buffer.from(address.split('.').map(Number)), mask])
}

function tlv(tag: number, ...content: Buffer[]): Buffer {
  const value = Buffer.concat(content)
  const length =
    value.length < 0x80
      ? [value.length]
      : value.length < 0x100
        ? [0x81, value.length]
        : [0x82, value.length >> 8, value.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), value])
}

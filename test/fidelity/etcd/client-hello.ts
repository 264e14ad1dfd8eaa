/** A TLS 1.2 ClientHello by hand, for suites that this machine's OpenSSL has forgotten. */
import { randomBytes } from 'node:crypto'

const SUPPORTED_GROUPS = Buffer.from('000a00080006001d00170018', 'hex')
const POINT_FORMATS = Buffer.from('000b00020100', 'hex')
const SIGNATURE_ALGORITHMS = Buffer.from('000d00080006080404010403', 'hex')

/** One record that offers just these suites, by number. */
export function clientHello(suites: readonly number[]): Buffer {
  const extensions = Buffer.concat([SUPPORTED_GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    randomBytes(32),
    Buffer.from([0]),
    uint16(suites.length * 2),
    ...suites.map(uint16),
    // One compression method: none.
    Buffer.from([1, 0]),
    uint16(extensions.length),
    extensions,
  ])
  const message = Buffer.concat([Buffer.from([1, 0]), uint16(body.length), body])
  return Buffer.concat([Buffer.from([22, 3, 1]), uint16(message.length), message])
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

import { Cursor } from './tls-hello.ts'

const SUPPORTED_VERSIONS = 43

/**
 * A ClientHello's body that offers no version above this one (RFC 8446 section 4.2.1), as somebody on the path would have
 * it; undefined where it is malformed. A list that is left empty goes with its extension: then `legacy_version` counts.
 */
export function withoutVersionsAbove(hello: Buffer, above: number): Buffer | undefined {
  const cursor = new Cursor(hello)
  cursor.bytes(34)
  cursor.vector(1)
  cursor.vector(2)
  cursor.vector(1)
  const before = hello.subarray(0, hello.length - cursor.left)
  const extensions = new Cursor(cursor.vector(2))
  const kept: Buffer[] = []
  while (extensions.left > 0 && !extensions.overrun) {
    const type = extensions.number(2)
    const value = extensions.vector(2)
    const left = type === SUPPORTED_VERSIONS ? versionsUpTo(value, above) : value
    if (left !== undefined) kept.push(uint16(type), uint16(left.length), left)
  }
  if (cursor.overrun || extensions.overrun) return undefined
  const list = Buffer.concat(kept)
  return Buffer.concat([before, uint16(list.length), list])
}

/** GREASE (RFC 8701) names no version: it stays. */
function versionsUpTo(value: Buffer, above: number): Buffer | undefined {
  const list = new Cursor(value).vector(1)
  const kept: Buffer[] = []
  for (let at = 0; at + 2 <= list.length; at += 2) {
    const version = list.readUInt16BE(at)
    if (version <= above || version >> 8 !== 3) kept.push(uint16(version))
  }
  return kept.length === 0 ? undefined : Buffer.concat([Buffer.from([kept.length * 2]), ...kept])
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

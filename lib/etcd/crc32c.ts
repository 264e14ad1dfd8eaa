/** CRC-32C (Castagnoli), as etcd's write-ahead log chains it from record to record; node:zlib has only the IEEE one. */
const POLYNOMIAL = 0x82f63b78
const SLICES = 8

const TABLES = tables()

/** `previous` is the CRC of what came before, 0 at the start (Go: crc32.Update). */
export function crc32c(previous: number, bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  let crc = ~previous
  let at = 0
  for (const whole = bytes.length - (bytes.length % SLICES); at < whole; at += SLICES) {
    crc =
      t7[(crc ^ bytes[at]!) & 0xff]! ^
      t6[((crc >>> 8) ^ bytes[at + 1]!) & 0xff]! ^
      t5[((crc >>> 16) ^ bytes[at + 2]!) & 0xff]! ^
      t4[(crc >>> 24) ^ bytes[at + 3]!]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!
  }
  for (; at < bytes.length; at += 1) crc = t0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

function tables(): Uint32Array[] {
  const all = Array.from({ length: SLICES }, () => new Uint32Array(256))
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    all[0]![byte] = crc
  }
  for (let slice = 1; slice < SLICES; slice += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = all[slice - 1]![byte]!
      all[slice]![byte] = all[0]![before & 0xff]! ^ (before >>> 8)
    }
  }
  return all
}

/** POSIX ustar, with pax and GNU records for long names: IEEE Std 1003.1, pax interchange format. */
export interface TarEntry {
  name: string
  isFolder: boolean
  content: Buffer
}

const BLOCK = 512
const NAME_LENGTH = 100
const PREFIX_LENGTH = 155
const FOLDER = '5'
const REGULAR = new Set(['0', '\0', '7'])

export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK)

/** A file's header and content, padded; a folder's without content. */
export function tarHeader(name: string, content: Buffer | undefined): Buffer {
  const split = splitName(name)
  if (split) return member(split, content ?? Buffer.alloc(0), content ? '0' : FOLDER)
  const record = paxRecord('path', name)
  const short = { name: name.slice(-NAME_LENGTH), prefix: '' }
  const extended = member({ name: 'PaxHeaders/name', prefix: '' }, Buffer.from(record), 'x')
  return Buffer.concat([extended, member(short, content ?? Buffer.alloc(0), content ? '0' : FOLDER)])
}

/** Undefined where it is no archive. */
export function readTar(archive: Buffer): TarEntry[] | undefined {
  const entries: TarEntry[] = []
  let longName: string | undefined
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK)
    if (header.every((byte) => byte === 0)) break
    if (header.toString('latin1', 257, 262) !== 'ustar') return undefined
    const size = Number.parseInt(text(header, 124, 12), 8) || 0
    const content = archive.subarray(at + BLOCK, at + BLOCK + size)
    const type = String.fromCharCode(header[156] ?? 0)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
    if (type === 'x') longName = paxPath(content) ?? longName
    else if (type === 'L') longName = content.toString('utf8').replace(/\0.*$/s, '')
    else if (type === FOLDER || REGULAR.has(type)) {
      const prefix = text(header, 345, PREFIX_LENGTH)
      const short = text(header, 0, NAME_LENGTH)
      const name = longName ?? (prefix === '' ? short : `${prefix}/${short}`)
      entries.push({ name, isFolder: type === FOLDER || name.endsWith('/'), content: Buffer.from(content) })
      longName = undefined
    } else if (type !== 'g') longName = undefined
  }
  return archive.length < BLOCK ? undefined : entries
}

function member({ name, prefix }: { name: string; prefix: string }, content: Buffer, type: string): Buffer {
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, NAME_LENGTH)
  header.write(type === FOLDER ? '0000755\0' : '0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write(
    `${Math.floor(Date.now() / 1000)
      .toString(8)
      .padStart(11, '0')}\0`,
    136,
  )
  header.write('        ', 148)
  header.write(type, 156)
  header.write('ustar\u000000', 257)
  header.write('root', 265)
  header.write('root', 297)
  header.write(prefix, 345, PREFIX_LENGTH)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)])
}

/** A name that fits, cut at a slash where it has to be. */
function splitName(whole: string): { name: string; prefix: string } | undefined {
  if (Buffer.byteLength(whole) <= NAME_LENGTH) return { name: whole, prefix: '' }
  for (let at = whole.indexOf('/'); at !== -1; at = whole.indexOf('/', at + 1)) {
    const prefix = whole.slice(0, at)
    const name = whole.slice(at + 1)
    if (name !== '' && Buffer.byteLength(name) <= NAME_LENGTH && Buffer.byteLength(prefix) <= PREFIX_LENGTH) {
      return { name, prefix }
    }
  }
  return undefined
}

/** `<length> key=value\n`, the length counting itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const length = Buffer.byteLength(rest)
  let digits = String(length).length
  while (String(length + digits).length > digits) digits++
  return `${length + digits}${rest}`
}

function paxPath(records: Buffer): string | undefined {
  let path: string | undefined
  for (let at = 0; at < records.length;) {
    const length = Number.parseInt(records.toString('latin1', at, at + 20), 10)
    if (!(length > 0)) break
    const [, key, value] = /^\d+ ([^=]+)=(.*)\n$/s.exec(records.toString('utf8', at, at + length)) ?? []
    if (key === 'path') path = value
    at += length
  }
  return path
}

function text(header: Buffer, at: number, length: number): string {
  return header
    .toString('utf8', at, at + length)
    .replace(/\0.*$/s, '')
    .trim()
}

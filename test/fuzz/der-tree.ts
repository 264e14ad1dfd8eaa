/** DER as a tree that can be taken apart, changed and written again, well-formed or not. */
export interface DerNode {
  tag: number
  /** Children of a constructed element, or of a string that wraps DER. */
  content: Buffer | DerNode[]
  /** A BIT STRING's unused-bits octet before wrapped DER. */
  prefix?: Buffer
  /** Write the length in more octets than needed. */
  longLength?: true
}

export function node(tag: number, ...content: [Buffer] | DerNode[]): DerNode {
  const [first] = content
  if (Buffer.isBuffer(first)) return { tag, content: first }
  return { tag, content: content.filter((child): child is DerNode => !Buffer.isBuffer(child)) }
}

export function encode({ tag, content, prefix, longLength }: DerNode): Buffer {
  const body = Buffer.isBuffer(content) ? content : Buffer.concat([prefix ?? Buffer.alloc(0), ...content.map(encode)])
  const short = body.length < 0x80 && !longLength
  const digits = body.length.toString(16)
  const octets = Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex')
  const length = short ? Buffer.from([body.length]) : Buffer.from([0x80 | octets.length, ...octets])
  return Buffer.concat([Buffer.from([tag]), length, body])
}

/** Undefined where the bytes are not one element after the other. */
export function decodeAll(bytes: Buffer): DerNode[] | undefined {
  const nodes: DerNode[] = []
  let offset = 0
  while (offset < bytes.length) {
    const tag = bytes[offset] ?? 0
    let length = bytes[offset + 1] ?? 0xff
    let start = offset + 2
    if (length & 0x80) {
      const octets = length & 0x7f
      if (octets === 0 || octets > 4 || start + octets > bytes.length) return undefined
      length = bytes.readUIntBE(start, octets)
      start += octets
    }
    if (start + length > bytes.length) return undefined
    nodes.push(decodeContent(tag, bytes.subarray(start, start + length)))
    offset = start + length
  }
  return nodes
}

function decodeContent(tag: number, content: Buffer): DerNode {
  if (tag & 0x20 || tag === 0x04) return { tag, content: decodeAll(content) ?? content }
  const wrapped = tag === 0x03 && content[0] === 0 && content.length > 8 ? decodeAll(content.subarray(1)) : undefined
  return wrapped ? { tag, content: wrapped, prefix: content.subarray(0, 1) } : { tag, content }
}

/** Every node below, with the list that holds it. */
export function descendants(list: DerNode[]): { node: DerNode; siblings: DerNode[] }[] {
  return list.flatMap((child) => [
    { node: child, siblings: list },
    ...(Buffer.isBuffer(child.content) ? [] : descendants(child.content)),
  ])
}

export function oid(dotted: string): DerNode {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number)
  const octets = [first * 40 + second, ...others].flatMap((component) => {
    const sevens = [component & 0x7f]
    for (let left = Math.trunc(component / 128); left > 0; left = Math.trunc(left / 128))
      sevens.unshift((left & 0x7f) | 0x80)
    return sevens
  })
  return node(0x06, Buffer.from(octets))
}

export const sequence = (...children: DerNode[]): DerNode => ({ tag: 0x30, content: children })
export const set = (...children: DerNode[]): DerNode => ({ tag: 0x31, content: children })
export const text = (tag: number, value: string): DerNode =>
  node(tag, Buffer.from(value, tag === 0x0c ? 'utf8' : 'latin1'))
export const raw = (tag: number, hex: string): DerNode => node(tag, Buffer.from(hex, 'hex'))

import { decodeAll, descendants, type DerNode, encode, node, oid } from './der-tree.ts'
import type { Random } from './random.ts'
import * as words from './vocabulary.ts'

/** Bends one to three places of a DER element, keeping the lengths around them right most of the time. */
export function mutateTree(random: Random, der: Buffer): Buffer {
  const tree = decodeAll(der)
  if (tree === undefined || tree.length === 0) return mutateBytes(random, der)
  for (let times = 1 + random.below(3); times > 0; times--) mutateNode(random, tree)
  return Buffer.concat(tree.map(encode))
}

/** Flips, drops, adds or repeats bytes anywhere. */
export function mutateBytes(random: Random, der: Buffer): Buffer {
  const bytes = Buffer.from(der)
  const at = random.below(bytes.length + 1)
  switch (random.below(5)) {
    case 0:
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
      return bytes
    case 1:
      if (at < bytes.length) bytes[at] = random.pick([0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0xff])
      return bytes
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(3))])
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(3)), bytes.subarray(at)])
    default:
      return bytes.subarray(0, at)
  }
}

function mutateNode(random: Random, tree: DerNode[]): void {
  const places = descendants(tree)
  if (places.length === 0) return
  const { node: chosen, siblings } = random.pick(places)
  const index = siblings.indexOf(chosen)
  switch (random.below(10)) {
    case 0:
      siblings.splice(index, 1)
      return
    case 1:
      siblings.splice(index, 0, cloneNode(chosen))
      return
    case 2:
      siblings.splice(random.below(siblings.length + 1), 0, cloneNode(random.pick(places).node))
      return
    case 3:
      chosen.tag = random.pick([...TAGS, chosen.tag ^ 0x20, chosen.tag ^ 0x80, chosen.tag + 1]) & 0xff
      return
    case 4:
      if (random.chance(0.3)) chosen.longLength = true
      else siblings.splice(0, siblings.length, ...random.shuffled(siblings))
      return
    case 5:
      if (Buffer.isBuffer(chosen.content)) chosen.content = mutateBytes(random, chosen.content)
      else chosen.content.push(node(random.pick(TAGS), random.bytes(random.below(3))))
      return
    case 6:
      Object.assign(chosen, cloneNode(random.pick(places).node))
      return
    default:
      if (Buffer.isBuffer(chosen.content)) chosen.content = interesting(random, chosen.tag)
  }
}

const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x80, 0x81,
  0x82, 0x86, 0x87, 0xa0, 0xa1, 0xa2, 0xa3, 0x1f,
]

/** A content that a tag's readers have an opinion about. */
function interesting(random: Random, tag: number): Buffer {
  const hex = (list: readonly string[]): Buffer => Buffer.from(random.pick(list), 'hex')
  const latin1 = (list: readonly string[]): Buffer => Buffer.from(random.pick(list), 'latin1')
  switch (tag) {
    case 0x01:
      return hex(['00', 'ff', '01', '', '0000'])
    case 0x02:
      return hex(words.INTEGER_BYTES)
    case 0x03:
      return hex(['', '00', '01', '0780', '0101', '08ff', '0000', '00ff', '07ff', '000400'])
    case 0x06: {
      const known = encode(oid(random.pick(words.OIDS)))
      return random.chance(0.8) ? known.subarray(2) : hex(words.OID_BYTES)
    }
    case 0x17:
    case 0x18:
      return latin1(words.TIMES)
    case 0x80:
      return hex(words.INTEGER_BYTES)
    case 0x81:
      return latin1([...words.EMAILS, ...words.DOMAINS])
    case 0x82:
      return latin1(words.DOMAINS)
    case 0x86:
      return latin1([...words.URIS, ...words.DOMAINS])
    case 0x87:
      return hex([...words.IPS, ...words.RANGES, '', '00', '0a0000'])
    default:
      return random.chance(0.5) ? Buffer.from(random.pick(words.STRINGS)) : hex(words.STRING_BYTES)
  }
}

function cloneNode({ tag, content, prefix }: DerNode): DerNode {
  const copy = Buffer.isBuffer(content) ? content : content.map(cloneNode)
  return prefix ? { tag, content: copy, prefix } : { tag, content: copy }
}

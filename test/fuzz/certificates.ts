import { makeExtensions } from './certificate-extensions.ts'
import { type DerNode, encode, node, oid, raw, sequence, set, text } from './der-tree.ts'
import { mutateTree } from './mutate.ts'
import type { Random } from './random.ts'
import { pickAlgorithm, type Signer } from './signer.ts'
import * as words from './vocabulary.ts'

/** Who can sign: a subject (DER) and a key. */
export interface Authority {
  subject: DerNode
  signer: Signer
  keyId: Buffer | undefined
}

export type Role = 'leaf' | 'intermediate' | 'root'

/** How to cook: `odd` is the probability of something that need not parse, 0 for certificates that always do. */
export interface Recipe {
  random: Random
  odd: number
  /** What the chain is mostly about. */
  focus: 'anything' | 'policies' | 'names'
}

/** A certificate of a role, mostly right, with all that its extensions may say; perhaps bent before it is signed. */
export function makeCertificate(recipe: Recipe, role: Role, subject: Authority, issuer: Authority): Buffer {
  const { random, odd } = recipe
  const algorithm = pickAlgorithm(random, issuer.signer)
  const version = random.chance(0.02) ? random.below(odd > 0 ? 4 : 3) : 2
  const extensions = makeExtensions(recipe, role, subject, issuer)
  const tbs: DerNode = sequence(
    ...(version > 0 ? [node(0xa0, raw(0x02, `0${version}`))] : []),
    raw(0x02, random.chance(odd / 4) ? random.pick(words.INTEGER_BYTES) : `0${random.below(8)}`),
    algorithm.identifier,
    issuer.subject,
    validity(recipe),
    subject.subject,
    subject.signer.spki,
    ...(random.chance(0.02) ? [raw(random.pick([0x81, 0x82, 0xa1]), '0000')] : []),
    ...(extensions.length > 0 || random.chance(0.1) ? [node(0xa3, sequence(...extensions))] : []),
  )
  const content = random.chance(odd) ? mutateTree(random, encode(tbs)) : encode(tbs)
  const signature = algorithm.sign(content, issuer.signer.privateKey)
  const outer = random.chance(odd / 20) ? sequence(oid(random.pick(words.OIDS))) : algorithm.identifier
  const bits = node(0x03, Buffer.concat([Buffer.from([0]), signature]))
  return encode(node(0x30, node(0x30, content.subarray(headerLength(content))), outer, bits))
}

/** The octets of tag and length, which `node` writes again. */
function headerLength(element: Buffer): number {
  const first = element[1] ?? 0
  return first & 0x80 ? 2 + (first & 0x7f) : 2
}

function validity({ random, odd, focus }: Recipe): DerNode {
  const time = (usual: string): DerNode => {
    const value = random.chance(focus === 'anything' ? 0.06 : 0)
      ? random.pick(odd > 0 ? words.TIMES : words.TIMES.slice(0, 7))
      : usual
    const tag = /^\d{14}/.test(value) !== random.chance(odd / 20) ? 0x18 : 0x17
    return text(tag, value)
  }
  return sequence(time('260101000000Z'), time(random.pick(['360101000000Z', '20360101000000Z', '20600101000000Z'])))
}

export function makeName({ random, odd }: Recipe): DerNode {
  const attribute = (): DerNode => {
    const type = oid(random.chance(0.6) ? random.pick(['2.5.4.3', '2.5.4.10']) : random.pick(words.OIDS))
    const value = random.chance(odd / 4)
      ? raw(random.pick([0x0c, 0x1e, 0x12, 0x1a, 0x1c, 0x13, 0x16]), random.pick(words.STRING_BYTES))
      : text(random.pick([0x0c, 0x14]), random.pick(words.STRINGS))
    return sequence(type, value)
  }
  const rdns = Array.from({ length: random.below(4) }, () =>
    set(...Array.from({ length: random.chance(0.8) ? 1 : random.below(4) }, attribute)),
  )
  return sequence(...rdns)
}

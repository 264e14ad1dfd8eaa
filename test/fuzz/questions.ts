import { type Authority, makeCertificate, makeName, type Recipe } from './certificates.ts'
import { type DerNode, encode, node, oid, raw, sequence, set, text } from './der-tree.ts'
import { mutateBytes, mutateTree } from './mutate.ts'
import type { Random } from './random.ts'
import type { Signer } from './signer.ts'
import * as words from './vocabulary.ts'
import type { Question } from './x509-answer.ts'

const base64 = (bytes: Buffer): string => bytes.toString('base64')

const USUAL_NAMES = ['kubernetes', 'etcd-ca', 'Kubernetes'].map((name) =>
  sequence(set(sequence(oid('2.5.4.3'), text(0x13, name)))),
)

/** A question about a chain (most), a revocation list or a PEM text. */
export function makeQuestion(random: Random, signers: readonly Signer[], recorded: readonly Question[]): Question {
  const kind = random.below(100)
  if (kind < 3) return { pem: base64(Buffer.from(makePem(random), 'latin1')) }
  if (kind < 6) return { crl: base64(makeList(random)) }
  return kind < 26 ? bentRecording(random, recorded) : freshChain(random, signers)
}

/** One of the recorded cases with an element bent; the signature is then wrong, so this is mostly about parsing. */
function bentRecording(random: Random, recorded: readonly Question[]): Question {
  const { chain = [], roots = [], time = '', hosts = [] } = random.pick(recorded)
  const bend = (list: readonly string[]): string[] => {
    const index = random.below(list.length)
    const bent = list.map((der, i) => {
      const bytes = Buffer.from(der, 'base64')
      if (i !== index) return der
      return base64(random.chance(0.7) ? mutateTree(random, bytes) : mutateBytes(random, bytes))
    })
    return random.chance(0.05) ? random.shuffled(bent) : bent
  }
  if (random.chance(0.2)) return { chain, roots: bend(roots), time, hosts: [...hosts] }
  return { chain: bend(chain), roots, time, hosts: [...hosts, random.pick(words.HOSTS)] }
}

function freshChain(random: Random, all: readonly Signer[]): Question {
  const focus = random.pick(['anything', 'anything', 'policies', 'names'] as const)
  const plain = focus !== 'anything'
  const recipe: Recipe = { random, focus, odd: random.pick(plain ? [0] : [0, 0, 0, 0.05, 0.3]) }
  const signers = plain ? all.slice(0, 6) : all
  const authority = (): Authority => ({
    subject: random.chance(0.9) ? random.pick(USUAL_NAMES) : makeName(recipe),
    signer: random.pick(signers),
    keyId: random.chance(0.6) ? random.pick([Buffer.from('01', 'hex'), Buffer.from('02', 'hex')]) : undefined,
  })
  const root = authority()
  const issuers = [root]
  const roots = [makeCertificate(recipe, 'root', root, root)]
  const intermediates: Buffer[] = []
  for (let depth = random.pick(plain ? [0, 1, 2, 2, 3, 4] : [0, 0, 0, 1, 1, 2, 3, 4]); depth > 0; depth--) {
    const above = issuers.at(-1) ?? root
    // Self-issued: the same name with another key.
    const subject = random.chance(0.15) ? { ...authority(), subject: above.subject } : authority()
    const issuer = random.chance(0.8) ? above : random.pick(issuers)
    intermediates.push(makeCertificate(recipe, 'intermediate', subject, issuer))
    if (random.chance(0.3)) intermediates.push(makeCertificate(recipe, 'intermediate', subject, random.pick(issuers)))
    issuers.push(subject)
  }
  const leafOwner = { subject: makeName(recipe), signer: random.pick(signers), keyId: undefined }
  const issuer = random.chance(0.9) ? (issuers.at(-1) ?? root) : authority()
  const subject = random.chance(0.03) ? issuer : leafOwner
  const leaf = makeCertificate(recipe, 'leaf', subject, random.chance(0.03) ? leafOwner : issuer)
  const sent = random.chance(0.5) ? random.shuffled(intermediates) : intermediates.toReversed()
  const extra = (): Buffer => random.pick([leaf, ...intermediates, ...roots, Buffer.alloc(0), random.bytes(5)])
  if (random.chance(0.1)) roots.push(makeCertificate(recipe, 'root', authority(), root))
  if (random.chance(0.1)) roots.push(extra())
  if (random.chance(0.1))
    sent.splice(random.below(sent.length + 1), 0, random.chance(recipe.odd) ? extra() : (roots[0] ?? leaf))
  if (random.chance(0.03)) sent.push(...Array.from({ length: 110 }, () => random.pick([...intermediates, ...roots])))
  const chain = [random.chance(recipe.odd / 4) ? mutateTree(random, leaf) : leaf, ...sent]
  return {
    chain: chain.map(base64),
    roots: roots.map(base64),
    time: plain ? '2026-06-01T00:00:00Z' : random.pick(words.MOMENTS),
    hosts: random.some(words.HOSTS, 3),
  }
}

const time = (): DerNode => text(0x17, '260101000000Z')

const extension = (id: string, value: DerNode): DerNode => sequence(oid(id), node(0x04, encode(value)))

function makeList(random: Random): Buffer {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'))
  const entry = (): DerNode =>
    sequence(
      raw(0x02, random.chance(0.8) ? '05' : random.pick(words.INTEGER_BYTES)),
      time(),
      ...(random.chance(0.5)
        ? [sequence(extension('2.5.29.21', raw(0x0a, random.pick(['01', '00', 'ff', '0001']))))]
        : []),
    )
  const tbs = sequence(
    raw(0x02, '01'),
    algorithm,
    random.pick(USUAL_NAMES),
    time(),
    ...(random.chance(0.7) ? [time()] : []),
    ...(random.chance(0.8) ? [sequence(...Array.from({ length: random.below(4) }, entry))] : []),
    ...(random.chance(0.7)
      ? [
          node(
            0xa0,
            sequence(extension('2.5.29.20', raw(0x02, '07')), extension('2.5.29.35', sequence(raw(0x80, '0102')))),
          ),
        ]
      : []),
  )
  const list = encode(sequence(tbs, algorithm, raw(0x03, '003000')))
  if (random.chance(0.2)) return list
  return random.chance(0.7) ? mutateTree(random, list) : mutateBytes(random, list)
}

const PEM_PARTS = [
  '-----BEGIN ',
  '-----END ',
  'CERTIFICATE',
  'X509 CRL',
  '-----',
  '\n',
  '\n',
  '\r\n',
  ' ',
  '\t',
  'AAAA',
  'QUI=',
  'QQ==',
  'QQ=',
  '=',
  'Proc-Type: 4',
  ':',
  'text',
  '\u00e9',
  '\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  '-----BEGIN A-----\n-----END A-----\n',
  '-----BEGIN A-----\nk: v\n\nAA AA\n-----END A-----',
  '-----END A-----',
  '-----BEGIN A-----\n',
]

function makePem(random: Random): string {
  return Array.from({ length: 1 + random.below(12) }, () => random.pick(PEM_PARTS)).join('')
}

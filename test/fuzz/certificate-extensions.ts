import type { Authority, Recipe, Role } from './certificates.ts'
import { type DerNode, encode, node, oid, raw, sequence, text } from './der-tree.ts'
import * as words from './vocabulary.ts'

/** One extension: how likely it is on a leaf and on a CA, how likely critical, and what it says. */
interface Kind {
  id: string
  leaf: number
  ca: number
  critical: number
  value: (recipe: Recipe, role: Role, subject: Authority, issuer: Authority) => DerNode | undefined
}

const POLICIES = ['2.5.29.32.0', '2.5.29.32.0', '1.2.3', '1.2.4', '1.2.5']
const SKIPS = ['00', '00', '01', '02', 'ff']

const KINDS: Kind[] = [
  { id: '2.5.29.19', leaf: 0.4, ca: 0.97, critical: 0.5, value: basicConstraints },
  { id: '2.5.29.15', leaf: 0.4, ca: 0.4, critical: 0.5, value: keyUsage },
  { id: '2.5.29.37', leaf: 0.6, ca: 0.15, critical: 0.1, value: extendedKeyUsage },
  { id: '2.5.29.17', leaf: 0.8, ca: 0.15, critical: 0.1, value: alternativeNames },
  { id: '2.5.29.30', leaf: 0.02, ca: 0.35, critical: 0.5, value: nameConstraints },
  { id: '2.5.29.14', leaf: 0.8, ca: 0.8, critical: 0, value: (_, __, { keyId }) => keyId && node(0x04, keyId) },
  {
    id: '2.5.29.35',
    leaf: 0.8,
    ca: 0.8,
    critical: 0,
    value: (_, __, ___, { keyId }) => keyId && sequence(node(0x80, keyId)),
  },
  { id: '1.3.6.1.5.5.7.1.1', leaf: 0.02, ca: 0.02, critical: 0, value: accessDescription },
  { id: '2.5.29.31', leaf: 0.02, ca: 0.02, critical: 0.1, value: distributionPoint },
]

/** Rare, but for the chains that are about nothing else. */
const POLICY_KINDS: Kind[] = [
  { id: '2.5.29.32', leaf: 1, ca: 1, critical: 0.2, value: policies },
  { id: '2.5.29.36', leaf: 0.2, ca: 0.5, critical: 0.5, value: policyConstraints },
  { id: '2.5.29.33', leaf: 0.1, ca: 0.5, critical: 0.2, value: policyMappings },
  { id: '2.5.29.54', leaf: 0.2, ca: 0.3, critical: 0.5, value: ({ random }) => raw(0x02, random.pick(SKIPS)) },
]

const BASIC_CONSTRAINTS = KINDS.slice(0, 1)

const FOCUSED: Record<'policies' | 'names', Kind[]> = {
  policies: [...BASIC_CONSTRAINTS, ...POLICY_KINDS],
  names: [
    ...BASIC_CONSTRAINTS,
    { id: '2.5.29.17', leaf: 1, ca: 0.15, critical: 0.1, value: alternativeNames },
    { id: '2.5.29.30', leaf: 0.1, ca: 0.7, critical: 0.5, value: nameConstraints },
  ],
}

export function makeExtensions(recipe: Recipe, role: Role, subject: Authority, issuer: Authority): DerNode[] {
  const { random, odd, focus } = recipe
  const kinds = focus === 'anything' ? [...KINDS, ...(random.chance(0.05) ? POLICY_KINDS : [])] : FOCUSED[focus]
  const found = kinds.flatMap(({ id, critical, value, ...chances }) => {
    const content = random.chance(role === 'leaf' ? chances.leaf : chances.ca) && value(recipe, role, subject, issuer)
    if (!content) return []
    return [sequence(oid(id), ...flag(random.chance(critical + odd / 20)), node(0x04, encode(content)))]
  })
  if (random.chance(odd / 5)) {
    found.push(sequence(oid(random.pick(words.OIDS)), ...flag(random.chance(0.5)), node(0x04, Buffer.from([5, 0]))))
  }
  return random.chance(0.2) ? random.shuffled(found) : found
}

const flag = (on: boolean): DerNode[] => (on ? [raw(0x01, 'ff')] : [])

function basicConstraints({ random, focus }: Recipe, role: Role): DerNode {
  const isCA = (role !== 'leaf') === random.chance(0.97)
  const limit = isCA && focus !== 'policies' && random.chance(0.15) ? [raw(0x02, random.pick(['00', '01', '02']))] : []
  return sequence(...flag(isCA), ...limit)
}

function keyUsage({ random, odd }: Recipe, role: Role): DerNode {
  const bits =
    role === 'leaf'
      ? ['0780', '05a0', '00ff80', odd > 0 ? '07ff' : '00']
      : ['0204', '0204', '0204', '0106', '0000', '0780', '00']
  return raw(0x03, random.pick(bits))
}

function extendedKeyUsage({ random }: Recipe): DerNode {
  return sequence(...random.some(words.OIDS.slice(12, 17), 3).map(oid))
}

function alternativeNames({ random, odd, focus }: Recipe): DerNode {
  const kinds = [
    (): DerNode => text(0x82, random.pick(random.chance(0.8) ? words.HOSTS.slice(0, 13) : words.DOMAINS)),
    (): DerNode => raw(0x87, random.pick(words.IPS)),
    (): DerNode => text(0x86, random.pick(random.chance(odd) ? words.URIS : words.VALID_URIS)),
    (): DerNode => text(0x81, random.pick(words.EMAILS)),
  ]
  const common = random.chance(0.5) ? kinds.slice(0, 2) : kinds
  const most = focus === 'names' && random.chance(0.05) ? 120 : 4
  return sequence(...random.some(common, most).map((make) => make()))
}

/** Usually of one or two kinds only, so that something is left to be permitted. */
function nameConstraints({ random, odd, focus }: Recipe): DerNode {
  const simple = !random.chance(focus === 'names' ? 0.3 : odd)
  const domains = simple
    ? ['example.com', '.example.com', 'com', 'a.example.com', '', 'worker-1']
    : words.CONSTRAINT_DOMAINS
  const ranges = simple ? ['0a000000ff000000', '0a00000affffff00', '0'.repeat(16), '0'.repeat(64)] : words.RANGES
  const emails = simple
    ? ['example.com', 'a@example.com', '']
    : [...words.CONSTRAINT_DOMAINS, 'A@Example.com', '"a b"@a.com']
  const kinds = [
    (): DerNode => text(0x82, random.pick(random.chance(odd) ? words.DOMAINS : domains)),
    (): DerNode => raw(0x87, random.pick(ranges)),
    (): DerNode => text(0x86, random.pick(random.chance(odd) ? words.DOMAINS : domains)),
    (): DerNode => text(0x81, random.pick(random.chance(odd) ? words.EMAILS : emails)),
    (): DerNode => node(0xa4, sequence()),
  ]
  const chosen = [random.pick(kinds.slice(0, 4)), ...random.some(kinds.slice(0, random.chance(0.95) ? 4 : 5), 1)]
  const most = focus === 'names' ? random.pick([3, 20]) : 3
  const trees = (): DerNode[] =>
    chosen.flatMap((make) => Array.from({ length: 1 + random.below(most) }, () => sequence(make())))
  const sides = random.pick(odd > 0 ? ['p', 'e', 'pe', ''] : ['p', 'p', 'e', 'e', 'pe'])
  return sequence(
    ...(sides.includes('p') ? [node(0xa0, ...trees())] : []),
    ...(sides.includes('e') ? [node(0xa1, ...trees())] : []),
  )
}

function policies({ random }: Recipe): DerNode {
  const chosen = new Set([random.pick(POLICIES), ...random.some(POLICIES, 3)])
  return sequence(...[...chosen].map((policy) => sequence(oid(policy))))
}

function policyMappings({ random }: Recipe): DerNode {
  const plain = random.chance(0.9) ? POLICIES.slice(2) : POLICIES
  return sequence(...random.some(plain, 3).map((policy) => sequence(oid(policy), oid(random.pick(plain)))))
}

function policyConstraints({ random }: Recipe): DerNode {
  return sequence(
    ...(random.chance(0.8) ? [raw(0x80, random.pick(SKIPS))] : []),
    ...(random.chance(0.4) ? [raw(0x81, random.pick(SKIPS))] : []),
  )
}

function accessDescription(): DerNode {
  return sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), text(0x86, 'http://ocsp')))
}

function distributionPoint(): DerNode {
  return sequence(sequence(node(0xa0, node(0xa0, text(0x86, 'http://crl')))))
}

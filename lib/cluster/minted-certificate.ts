/** A certificate that somebody got signed who should not have, or signed himself. */
import type { KeyPair } from '../tls/listen.ts'
import type { CertificateSpec, Issued } from '../x509/certificate-spec.ts'
import { issue } from '../x509/issue.ts'
import { keyAlgorithmOf } from '../x509/private-key.ts'
import type { NameConstraints } from '../x509/name-constraints-der.ts'

/** The CAs of a cluster, as its pki.yaml calls them. */
export type AuthorityName = 'ca' | 'etcd-ca' | 'front-proxy-ca'

export type Signer =
  | 'self'
  /** A CA of the cluster whose signature was obtained. */
  | AuthorityName
  /** A CA of the attacker's own, named as the cluster's is. */
  | 'foreign-ca'
  /** A CA of before that the cluster still takes clients from; where it does so no more, one that it does not know. */
  | 'retired-ca'
  /** The key of a kubelet's own client certificate, which is no CA; where that kubelet has none, the same as `self`. */
  | { leafOf: string }
  /** A sub-CA that this CA signed for somebody. It comes along in the chain. */
  | { subCaOf: AuthorityName; nameConstraints?: NameConstraints }

export interface MintedCertificate {
  signedBy: Signer
  commonName: string
  organizations?: readonly string[]
  usages?: ReadonlyArray<'clientAuth' | 'serverAuth'>
  dnsNames?: readonly string[]
  /** Names of hosts, or roles, whose face addresses become IP SANs. */
  hosts?: readonly string[]
  /** Relative distinguished names in order, in the place of commonName and organizations: `[{ O: ['a'] }, { CN: ['x'] }]`. */
  subject?: ReadonlyArray<Record<string, string[]>>
  /** Default `now`, for a day. */
  valid?: 'now' | 'until-yesterday' | 'from-tomorrow'
}

/** Where a minted certificate comes from: the cluster's CAs and kubelets, and its hosts' addresses. */
export interface Mint {
  authority: (name: AuthorityName) => Issued
  /** The CA that was rotated out and left in the bundle, where there is one. */
  retired: () => Issued | undefined
  /** A kubelet's client certificate and key; undefined where it has none. */
  leafOf: (host: string) => Issued | undefined
  /** Addresses of a host, or of every host of a role. */
  facesOf: (hostOrRole: string) => string[]
}

const DAY_MS = 24 * 3_600_000
const BACKDATE_MS = 5 * 60_000

/** Certificate (with its sub-CA, if it has one) and key. */
export async function mint(wanted: MintedCertificate, from: Mint): Promise<KeyPair> {
  const spec: CertificateSpec = {
    commonName: wanted.commonName,
    organizations: wanted.organizations ?? [],
    usages: wanted.usages ?? [],
    dnsNames: wanted.dnsNames ?? [],
    ipAddresses: (wanted.hosts ?? []).flatMap(from.facesOf),
    ...validity(wanted.valid),
  }
  const signer = await signerOf(wanted.signedBy, from)
  const { certificate, privateKey } = await issueAs(spec, wanted, signer.authority)
  return { cert: certificate + (signer.comesAlong ? (signer.authority?.certificate ?? '') : ''), key: privateKey }
}

async function issueAs(spec: CertificateSpec, wanted: MintedCertificate, authority?: Issued): Promise<Issued> {
  // A leaf of its signer's own key family is the ordinary kind.
  const key = authority && keyAlgorithmOf(authority.privateKey)
  if (wanted.subject === undefined) return issue({ ...spec, ...(key ? { key } : {}) }, authority)
  // Odd subjects are another library's, which costs 80 ms to load.
  const { issueOdd } = await import('../x509/odd.ts')
  return issueOdd({ ...spec, subject: wanted.subject.map((names) => ({ ...names })) }, authority)
}

async function signerOf(signedBy: Signer, from: Mint): Promise<{ authority?: Issued; comesAlong?: true }> {
  if (signedBy === 'self') return {}
  if (signedBy === 'foreign-ca' || signedBy === 'retired-ca') {
    const retired = signedBy === 'retired-ca' ? from.retired() : undefined
    return { authority: retired ?? (await issue({ commonName: 'kubernetes', isCa: true, ...validity('now') })) }
  }
  if (typeof signedBy === 'string') return { authority: from.authority(signedBy) }
  if ('leafOf' in signedBy) {
    const leaf = from.leafOf(signedBy.leafOf)
    return leaf ? { authority: leaf, comesAlong: true } : {}
  }
  const { issueOdd } = await import('../x509/odd.ts')
  const authority = await issueOdd(
    {
      commonName: 'platform-team',
      isCa: true,
      ...validity('now'),
      ...(signedBy.nameConstraints ? { nameConstraints: signedBy.nameConstraints } : {}),
    },
    from.authority(signedBy.subCaOf),
  )
  return { authority, comesAlong: true }
}

function validity(valid: MintedCertificate['valid'] = 'now'): { notBefore: Date; notAfter: Date } {
  const shiftMs = { now: 0, 'until-yesterday': -2 * DAY_MS, 'from-tomorrow': DAY_MS }[valid]
  const from = Date.now() + shiftMs
  return { notBefore: new Date(from - BACKDATE_MS), notAfter: new Date(from + DAY_MS) }
}

/** A certificate that somebody got signed who should not have, or signed himself. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyPair } from '../tls/listen.ts'
import { issue } from '../x509/issue.ts'
import type { Issued } from '../x509/certificate-spec.ts'

export interface MintedCertificate {
  /** A CA of the cluster whose signature was obtained, `self`, or a CA of the attacker's own with the same name. */
  signedBy: 'self' | 'ca' | 'etcd-ca' | 'foreign-ca'
  commonName: string
  organizations?: readonly string[]
  usages?: ReadonlyArray<'clientAuth' | 'serverAuth'>
  dnsNames?: readonly string[]
  /** Names of hosts whose face addresses become IP SANs. */
  hosts?: readonly string[]
}

const DAY_MS = 24 * 3_600_000
const BACKDATE_MS = 5 * 60_000

/** `authorityOf` finds a CA of the cluster; `faceOf` a host's address. */
export async function mint(
  wanted: MintedCertificate,
  authorityOf: (name: 'ca' | 'etcd-ca') => Issued | Promise<Issued>,
  faceOf: (host: string) => string,
): Promise<KeyPair> {
  const now = Date.now()
  const validity = { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + DAY_MS) }
  const spec = {
    commonName: wanted.commonName,
    organizations: wanted.organizations ?? [],
    usages: wanted.usages ?? [],
    dnsNames: wanted.dnsNames ?? [],
    ipAddresses: (wanted.hosts ?? []).map(faceOf),
    ...validity,
  }
  const authority = async (): Promise<Issued | undefined> => {
    if (wanted.signedBy === 'self') return undefined
    if (wanted.signedBy === 'foreign-ca') return issue({ commonName: 'kubernetes', isCa: true, ...validity })
    return authorityOf(wanted.signedBy)
  }
  const { certificate, privateKey } = await issue(spec, await authority())
  return { cert: certificate, key: privateKey }
}

/** Reads a CA from where a posture's PKI laid it. */
export function readAuthority(hostFolder: string, certificate: string, key: string): Issued {
  return {
    certificate: readFileSync(join(hostFolder, certificate), 'utf8'),
    privateKey: readFileSync(join(hostFolder, key), 'utf8'),
  }
}

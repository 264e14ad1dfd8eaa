/** Issues what a plan asks for, for the hosts of one run: every file of the PKI as it lies on its host. */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { CertificateSpec, Issued } from '../x509/certificate-spec.ts'
import { issue } from '../x509/issue.ts'
import { issueKeyPair } from '../x509/private-key.ts'
import { pemBlocks } from '../x509/pem.ts'
import { kubeconfigText } from './kubeconfig-text.ts'
import type { AuthorityPlan, NamePattern, PkiPlan, SubjectPlan } from './pki-plan.ts'

/** A host as certificates name it. */
export interface PkiHost {
  name: string
  role: string
  /** The address that others dial in this run. */
  address: string
  /** This host's own loopback address in this run; a certificate for 127.0.0.1 also carries it. */
  loop?: string
}

export interface PkiFile {
  /** Absolute path on the host. */
  path: string
  /** Of a binary file, one letter for each byte. */
  text: string
  encoding?: 'latin1'
  mode: number
}

export interface IssuedPki {
  /** By the plan's names; `sameAs` names resolve to the same pair. */
  authorities: ReadonlyMap<string, Issued>
  /** By host name. */
  files: ReadonlyMap<string, readonly PkiFile[]>
  /** What the run's own encryption keys are drawn from. */
  seed: Buffer
}

/**
 * What one run has issued already: certificates of equal shape from an equal signer are issued once, so that a cluster
 * that changes its posture keeps every file that the change does not touch.
 */
export class PkiMemory {
  readonly now = new Date()
  readonly seed = randomBytes(32)
  readonly #made = new Map<string, Promise<unknown>>()

  once<T>(what: readonly unknown[], make: () => Promise<T>): Promise<T> {
    const key = JSON.stringify(what)
    const known = this.#made.get(key) as Promise<T> | undefined
    if (known) return known
    const made = make()
    this.#made.set(key, made)
    return made
  }
}

export interface IssueOptions {
  /** Shared by the clusters of a run; its moment is the moment of issue unless `now` says another. */
  memory?: PkiMemory
  /** The moment of issue. "A year later" is a moment a year back: the certificates move, the clock stays. */
  now?: Date
  /** Turns the posture's addresses into the run's, in names and in kubeconfigs. */
  mapAddress?: (address: string) => string
}

/** Everything is issued at once: the authorities first, then all they sign. */
export async function issuePki(
  plan: PkiPlan,
  hosts: readonly PkiHost[],
  options: IssueOptions = {},
): Promise<IssuedPki> {
  const { memory = new PkiMemory(), mapAddress = (address) => address } = options
  const now = options.now ?? memory.now
  const files = new Map<string, PkiFile[]>(hosts.map((host) => [host.name, []]))
  const put = (host: PkiHost, path: string | undefined, text: string, mode: number): void => {
    if (path !== undefined) files.get(host.name)?.push({ path, text, mode })
  }
  const on = (place: string): PkiHost[] => hosts.filter((host) => host.role === place || host.name === place)
  const notBefore = new Date(now.getTime() - plan.backdateMs)
  const authorities = await issueAuthorities(plan, now, notBefore, memory)
  const authority = (name: string): Issued => {
    const found = authorities.get(name)
    if (!found) throw new Error(`[pki_authority] ${name}: the plan names no such authority`)
    return found
  }
  const leaf = (name: string, subject: SubjectPlan, host: PkiHost): Promise<Issued> => {
    const signer = authority(subject.signedBy)
    const spec = specOf(subject, host, mapAddress, {
      notBefore,
      notAfter: new Date(now.getTime() + subject.validityMs),
    })
    return memory.once([name, spec, signer.certificate], () => issue(spec, signer))
  }

  for (const { name, files: places } of plan.authorities) {
    const { certificate, privateKey } = authority(name)
    for (const place of places) {
      for (const host of on(place.on)) {
        const before = files.get(host.name)?.find(({ path }) => path === place.certificate)
        if (before === undefined) put(host, place.certificate, certificate, place.modes.certificate)
        // Several authorities in one file are a bundle; one under two names is there once.
        else if (!before.text.includes(certificate)) before.text += certificate
        put(host, place.key, privateKey, place.modes.key)
      }
    }
  }
  await Promise.all([
    ...plan.keyPairs.map(async (pair) => {
      const { privateKey, publicKey } = await memory.once([pair.name, pair.key], () => issueKeyPair(pair.key))
      for (const host of on(pair.on)) {
        put(host, pair.privateKey, privateKey, pair.modes.key)
        // kubeadm writes sa.pub with the private key's mode (client-go/util/keyutil/key.go).
        put(host, pair.publicKey, publicKey, pair.modes.key)
      }
    }),
    ...plan.certificates.flatMap((each) =>
      on(each.on).map(async (host) => {
        const { certificate, privateKey } = await leaf(each.name, each, host)
        put(host, each.certificate, certificate, each.modes.certificate)
        put(host, each.keyFile, privateKey, each.modes.key)
      }),
    ),
    ...plan.revocationLists.map(async (each) => {
      const signer = authority(each.signedBy)
      const validity = { thisUpdate: notBefore, nextUpdate: new Date(now.getTime() + plan.caValidityMs) }
      const list = await memory.once([each.name, signer.certificate, validity], async () =>
        // etcd takes DER and nothing else.
        pemBlocks(await (await odd()).revocationList(signer, [], validity))[0]!.der.toString('latin1'),
      )
      for (const host of on(each.on)) {
        files.get(host.name)?.push({ path: each.file, text: list, encoding: 'latin1', mode: each.modes.certificate })
      }
    }),
    ...plan.kubeconfigs.flatMap((each) =>
      on(each.on).map(async (host) => {
        const client = each.client && (await leaf(each.name, each.client, host))
        const pem = each.client?.pem
        if (client && pem) put(host, pem, client.certificate + client.privateKey, each.modes.key)
        const ca = each.certificateAuthority && authority(each.certificateAuthority).certificate
        const token = each.token && nameOn(each.token, host.name)
        put(
          host,
          each.file,
          kubeconfigText(each, { ca, client: pem ? undefined : client, token }),
          each.modes.kubeconfig,
        )
      }),
    ),
  ])
  return { authorities, files, seed: memory.seed }
}

async function issueAuthorities(
  plan: PkiPlan,
  now: Date,
  notBefore: Date,
  memory: PkiMemory,
): Promise<Map<string, Issued>> {
  const validity = { notBefore, notAfter: new Date(now.getTime() + plan.caValidityMs) }
  const own = plan.authorities.filter((each) => each.sameAs === undefined)
  const issued = await Promise.all(
    own.map(async ({ name, commonName, dnsNames, key }): Promise<[string, Issued]> => {
      const spec = { commonName, dnsNames, key, isCa: true, ...validity }
      return [name, await memory.once([name, spec], () => issue(spec))]
    }),
  )
  const authorities = new Map(issued)
  for (const { name } of plan.authorities) {
    const pair = authorities.get(original(plan, name).name)
    if (pair) authorities.set(name, pair)
  }
  return authorities
}

/** 77 ms to load, for what the ordinary set of certificates does without. */
function odd(): Promise<typeof import('../x509/odd.ts')> {
  return import('../x509/odd.ts')
}

/** The authority behind a name, through `sameAs`. */
function original(plan: PkiPlan, name: string): AuthorityPlan {
  const seen = new Set<string>()
  for (let at = name; !seen.has(at);) {
    seen.add(at)
    const found = plan.authorities.find((each) => each.name === at)
    if (found?.sameAs === undefined && found) return found
    at = found?.sameAs ?? at
  }
  throw new Error(
    `[pki_authority] ${name}: sameAs leads in a circle (let one of ${[...seen].join(', ')} be an authority)`,
  )
}

function specOf(
  subject: SubjectPlan,
  host: PkiHost,
  mapAddress: (address: string) => string,
  validity: { notBefore: Date; notAfter: Date },
): CertificateSpec {
  const { sans } = subject
  const addresses = [...sans.ip, ...(sans.hostAddress ? [host.address] : [])].flatMap((address) =>
    address === '127.0.0.1' && host.loop !== undefined ? [address, host.loop] : [mapAddress(address)],
  )
  return {
    commonName: nameOn(subject.commonName, host.name),
    organizations: subject.organizations,
    usages: subject.usages,
    dnsNames: [...(sans.hostName && !isIP(host.name) ? [host.name] : []), ...sans.dns],
    ipAddresses: [...new Set(addresses)],
    key: subject.key,
    ...validity,
  }
}

export function nameOn(pattern: NamePattern, host: string): string {
  return pattern.hostName ? pattern.prefix + host : pattern.prefix
}

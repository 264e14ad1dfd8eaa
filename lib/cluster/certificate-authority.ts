/** The cluster's CAs at work: a certificate for whoever is to hold one, and the lists of those that are revoked. */
import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseKubeconfig } from '../kube/kubeconfig.ts'
import type { IssuedPki } from '../posture/issue-pki.ts'
import type { Posture } from '../posture/posture.ts'
import { RETIRED_CA, signingAuthority } from '../posture/signing-authority.ts'
import type { KeyPair } from '../tls/listen.ts'
import type { Issued } from '../x509/certificate-spec.ts'
import { parseCertificate } from '../x509/parse.ts'
import { pemBlocks } from '../x509/pem.ts'
import { mint, type MintedCertificate } from './minted-certificate.ts'

const DAY_MS = 86_400_000

/** What a revocation list says. */
export interface ListFacts {
  /** Without it all certificates that somebody got who should not have them. */
  names?: 'nobody'
  /** Its successor was due yesterday. */
  isOverdue?: true
}

interface Place {
  /** As they are now: a cluster may take on another posture. */
  now: () => { posture: Posture; pki: IssuedPki }
  hostFolder: (host: string) => string
  faceOf: (host: string) => string
}

export class CertificateAuthority {
  readonly #place: Place
  readonly #minted: bigint[] = []

  constructor(place: Place) {
    this.#place = place
  }

  async mint(wanted: MintedCertificate): Promise<KeyPair> {
    const { now, hostFolder, faceOf } = this.#place
    const { posture, pki } = now()
    const minted = await mint(wanted, {
      authority: (relation) => this.#authority(signingAuthority(posture.pki, relation, wanted.usages ?? [])),
      retired: () => pki.authorities.get(RETIRED_CA),
      leafOf: (host) => {
        const { user } = parseKubeconfig(readFileSync(join(hostFolder(host), 'etc/kubernetes/kubelet.conf'), 'utf8'))
        const { clientCertificateData: certificate, clientKeyData: privateKey } = user
        return certificate && privateKey ? { certificate, privateKey } : undefined
      },
      facesOf: (place) => {
        const ofRole = posture.hosts.filter(({ role }) => role === place).map(({ name }) => name)
        return (ofRole.length > 0 ? ofRole : [place]).map(faceOf)
      },
    })
    this.#minted.push(parseCertificate(pemBlocks(minted.cert)[0]!.der).serialNumber)
    return minted
  }

  /** Puts all that was minted on the posture's revocation lists; without a list there is nowhere to write it. */
  async revokeMinted({ names, isOverdue }: ListFacts): Promise<void> {
    const { posture } = this.#place.now()
    const { revocationList } = await import('../x509/odd.ts')
    const thisUpdateMs = Date.now() - (isOverdue ? 2 * DAY_MS : 0)
    const validity = { thisUpdate: new Date(thisUpdateMs), nextUpdate: new Date(thisUpdateMs + DAY_MS) }
    const serials = names === 'nobody' ? [] : this.#minted
    for (const { signedBy, file, on } of posture.pki.revocationLists) {
      const list = pemBlocks(await revocationList(this.#authority(signedBy), serials, validity))[0]!.der
      for (const { name } of posture.hosts.filter(({ role }) => role === on))
        replaceWhole(join(this.#place.hostFolder(name), file), list)
    }
  }

  #authority(name: string): Issued {
    const { posture, pki } = this.#place.now()
    const authority = pki.authorities.get(name)
    if (!authority) throw new Error(`[pki_authority] ${name}: posture ${posture.name} has no such authority`)
    return authority
  }
}

/** For a file that somebody may read at any moment, as etcd does its revocation list: half of one would be none. */
function replaceWhole(path: string, content: Uint8Array): void {
  const beside = `${path}.new`
  writeFileSync(beside, content)
  chmodSync(beside, statSync(path).mode)
  renameSync(beside, path)
}

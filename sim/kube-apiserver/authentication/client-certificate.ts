/**
 * Client certificates, verified for each request with the CA bundle of that moment: an expired certificate or a removed CA
 * takes effect on an open connection. apiserver/pkg/authentication/request/x509/x509.go.
 */
import type { User } from '../../../lib/kube/user.ts'
import { CertificateUserError, userFromCertificate } from '../../../lib/kube/x509-user.ts'
import type { Certificate } from '../../../lib/x509/parse.ts'
import { CertificateParseError, parseCertificate } from '../../../lib/x509/parse.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import type { CertPool } from '../../../lib/x509/pool.ts'
import { verify } from '../../../lib/x509/verify.ts'

/** A CA bundle that may change under a running server. */
export class CaBundle {
  readonly #pem: () => string | undefined
  #text: string | undefined
  #pool: CertPool | undefined

  constructor(pem: () => string | undefined) {
    this.#pem = pem
  }

  /** The pool of this moment; undefined while there is no bundle, and then nobody's certificate says anything. */
  pool(): CertPool | undefined {
    const text = this.#pem()
    if (text !== this.#text) {
      this.#text = text
      this.#pool = text === undefined ? undefined : certPool(text)
    }
    return this.#pool
  }
}

const parsed = new WeakMap<readonly Buffer[], Certificate[] | { error: string }>()

/** The chain a client sent, parsed once for its connection. What does not parse has mostly failed the handshake already. */
export function parsePeerChain(peerChain: readonly Buffer[]): Certificate[] | { error: string } {
  const known = parsed.get(peerChain)
  if (known) return known
  const chain = tryParse(peerChain)
  parsed.set(peerChain, chain)
  return chain
}

function tryParse(peerChain: readonly Buffer[]): Certificate[] | { error: string } {
  try {
    return peerChain.map(parseCertificate)
  } catch (error) {
    if (!(error instanceof CertificateParseError)) throw error
    return { error: error.message }
  }
}

/** Why the leaf is not one of this bundle's clients, in Go's words; undefined where it is one. */
export function refuseClientChain(chain: Certificate[], roots: CertPool, now: Date): string | undefined {
  const verdict = verify(chain, { roots, time: now, usage: 'clientAuth' })
  return verdict.ok ? undefined : verdict.error
}

export type CertificateAnswer = { user: User } | { error: string } | undefined

/** Who the client's certificate says it is; undefined without a certificate or a name in it. */
export function userOfClientCertificate(peerChain: readonly Buffer[], ca: CaBundle, now: Date): CertificateAnswer {
  const roots = ca.pool()
  if (peerChain.length === 0 || !roots) return undefined
  const chain = parsePeerChain(peerChain)
  if ('error' in chain) return chain
  const leaf = chain[0]
  if (!leaf) return undefined
  const refused = refuseClientChain(chain, roots, now)
  if (refused !== undefined) return { error: `verifying certificate ${certificateIdentifier(leaf)} failed: ${refused}` }
  try {
    const user = userFromCertificate(leaf)
    return user && { user }
  } catch (error) {
    if (!(error instanceof CertificateUserError)) throw error
    return { error: error.message }
  }
}

/** `SN=<decimal>, SKID=..., AKID=...` as the server logs a refused certificate (x509.go columnSeparatedHex). */
function certificateIdentifier(leaf: Certificate): string {
  return `SN=${leaf.serialNumber}, SKID=${columns(leaf.subjectKeyId)}, AKID=${columns(leaf.authorityKeyId)}`
}

function columns(bytes: Uint8Array | undefined): string {
  return [...(bytes ?? [])].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(':')
}

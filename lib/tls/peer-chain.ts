import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

/** A circle of issuers ends the walk, and so does a chain that nobody sends in earnest. */
const LONGEST_CHAIN = 100

/**
 * The certificates that the other end sent, DER, leaf first. Node gives them as a walk from issuer to issuer, so one that
 * OpenSSL takes for nobody's issuer (it may not sign, or its key identifier differs) is not seen, nor what lies behind it.
 * A resumed session shows the leaf alone (SentChains remembers the others).
 */
export function peerChain(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let next: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (next && chain.length < LONGEST_CHAIN) {
    const { raw } = next
    if (chain.some((seen) => seen.equals(raw))) break
    chain.push(raw)
    next = next.issuerCertificate
  }
  return chain
}

const MOST_REMEMBERED = 1000

/** What came with which leaf, for sessions that are resumed: Go's tickets hold the whole chain, OpenSSL's the leaf. */
export class SentChains {
  readonly #byLeaf = new Map<string, Buffer[]>()

  of(socket: TLSSocket): Buffer[] {
    const chain = peerChain(socket)
    const [leaf] = chain
    if (!leaf) return chain
    const key = leaf.toString('latin1')
    if (socket.isSessionReused()) return this.#byLeaf.get(key) ?? chain
    // A chain of one needs no memory: the session holds it.
    if (chain.length > 1) {
      this.#byLeaf.delete(key)
      this.#byLeaf.set(key, chain)
      if (this.#byLeaf.size > MOST_REMEMBERED) this.#byLeaf.delete(this.#byLeaf.keys().next().value!)
    }
    return chain
  }
}

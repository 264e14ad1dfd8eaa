import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'

/**
 * The certificates that the other end sent, DER, leaf first. Node gives them as a walk from issuer to issuer, so one that
 * signs nobody in the chain is not seen; a walk that ends in a self-signed certificate of our own bundle may show that
 * too. Neither changes what verification makes of the chain: it looks for issuers by name and key.
 */
export function peerChain(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next?.raw && !chain.some((seen) => seen.equals(next!.raw))) {
    chain.push(next.raw)
    next = next.issuerCertificate
  }
  return chain
}

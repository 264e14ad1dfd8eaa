/**
 * The names that a certificate request carries, without their keys. Node puts what it is given as `ca` on that list, and
 * into the store that OpenSSL verifies with. Its opinion is asked by nobody, and does harm: an RSA CA of the same name and
 * another key leaves an error behind that Node takes for the end of the handshake. So OpenSSL gets bearers of the names
 * that it can take for nobody's issuer: their key usage signs no certificates. It also sends none of them along with a
 * serving certificate, as Go sends only what the file holds.
 */
import { BIT_STRING, constructedTag, OBJECT_IDENTIFIER, SEQUENCE, UTC_TIME } from '../x509/der.ts'
import { certificatePem, element, extension, hex } from '../x509/der-writer.ts'
import { certPool } from '../x509/pool.ts'

const ED25519 = element(SEQUENCE, element(OBJECT_IDENTIFIER, hex('2b6570')))
/** Version 3, serial number 1. */
const HEAD = hex('a003020102020101')
const MOMENT = element(UTC_TIME, Buffer.from('700101000000Z'))
const VALIDITY = element(SEQUENCE, MOMENT, MOMENT)
const PUBLIC_KEY = element(SEQUENCE, ED25519, element(BIT_STRING, Buffer.alloc(1), Buffer.alloc(32, 1)))
/** digitalSignature alone. */
const KEY_USAGE = extension('551d0f', true, hex('03020780'))
const EXTENSIONS = element(constructedTag(3), element(SEQUENCE, KEY_USAGE))
const NO_SIGNATURE = element(BIT_STRING, Buffer.alloc(65))

/** PEM of certificates with the subjects of a bundle's, in its order; undefined where it holds none. */
export function nameBearers(caPem: string): string | undefined {
  const bearers = certPool(caPem).certificates.map(({ rawSubject }) => bearer(rawSubject))
  return bearers.length > 0 ? bearers.join('') : undefined
}

function bearer(name: Buffer): string {
  const tbs = element(SEQUENCE, HEAD, ED25519, name, VALIDITY, name, PUBLIC_KEY, EXTENSIONS)
  return certificatePem(element(SEQUENCE, tbs, ED25519, NO_SIGNATURE))
}

/**
 * For an end that names no CA. Without any `ca` Node 20 reads all of its 150 public roots, 20 ms for each process, and
 * nobody here asks for their opinion either.
 */
export const NO_NAMES = bearer(element(SEQUENCE))

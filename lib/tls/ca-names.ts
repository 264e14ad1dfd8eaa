/**
 * The names that a certificate request carries, without their keys. Node puts what it is given as `ca` on that list, and
 * into the store that OpenSSL verifies with. Its opinion is asked by nobody, and does harm: an RSA CA of the same name and
 * another key leaves an error behind that Node takes for the end of the handshake. So OpenSSL gets bearers of the names
 * that it can take for nobody's issuer: their key usage signs no certificates. It also sends none of them along with a
 * serving certificate, as Go sends only what the file holds.
 */
import { certPool } from '../x509/pool.ts'

const ED25519 = Buffer.from('300506032b6570', 'hex')
/** Version 3, serial number 1. */
const HEAD = Buffer.from('a003020102020101', 'hex')
const VALIDITY = sequence(tlv(0x17, Buffer.from('700101000000Z')), tlv(0x17, Buffer.from('700101000001Z')))
const PUBLIC_KEY = sequence(ED25519, tlv(0x03, Buffer.concat([Buffer.alloc(1), Buffer.alloc(32, 1)])))
/** Critical key usage: digitalSignature alone. */
const EXTENSIONS = tlv(0xa3, sequence(sequence(Buffer.from('0603551d0f0101ff040403020780', 'hex'))))
const NO_SIGNATURE = tlv(0x03, Buffer.alloc(65))

/** PEM of certificates with the subjects of a bundle's, in its order; undefined where it holds none. */
export function nameBearers(caPem: string): string | undefined {
  const bearers = certPool(caPem).certificates.map(({ rawSubject }) => bearer(rawSubject))
  return bearers.length > 0 ? bearers.join('') : undefined
}

function bearer(name: Buffer): string {
  const tbs = sequence(HEAD, ED25519, name, VALIDITY, name, PUBLIC_KEY, EXTENSIONS)
  const base64 = sequence(tbs, ED25519, NO_SIGNATURE).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from(head), content])
}

/**
 * For an end that names no CA. Without any `ca` Node 20 reads all of its 150 public roots, 20 ms for each process, and
 * nobody here asks for their opinion either.
 */
export const NO_NAMES = bearer(sequence())

/** The cipher suites that recorded TLS can be opened for, and what keys become of a secret. */
import { createDecipheriv, createHmac, type CipherGCMTypes } from 'node:crypto'

export interface Suite {
  hash: 'sha256' | 'sha384'
  keyLength: number
  cipher: CipherGCMTypes | 'chacha20-poly1305'
  /** Bytes of nonce that TLS 1.2 sends with each record. */
  explicitNonce: number
  /** The client sends the premaster secret to the server's RSA key: whoever gets the key later reads it. */
  staticRsa?: true
}

const AES_128 = { keyLength: 16, cipher: 'aes-128-gcm', explicitNonce: 8 } as const
const AES_256 = { keyLength: 32, cipher: 'aes-256-gcm', explicitNonce: 8 } as const
const CHACHA = { keyLength: 32, cipher: 'chacha20-poly1305', explicitNonce: 0 } as const

/** TLS 1.3 (RFC 8446 appendix B.4) and the AEAD suites of TLS 1.2 (RFC 5288, RFC 5289, RFC 7905). */
export const SUITES: ReadonlyMap<number, Suite> = new Map<number, Suite>([
  [0x1301, { hash: 'sha256', ...AES_128 }],
  [0x1302, { hash: 'sha384', ...AES_256 }],
  [0x1303, { hash: 'sha256', ...CHACHA }],
  [0xc02b, { hash: 'sha256', ...AES_128 }],
  [0xc02f, { hash: 'sha256', ...AES_128 }],
  [0xc02c, { hash: 'sha384', ...AES_256 }],
  [0xc030, { hash: 'sha384', ...AES_256 }],
  [0xcca8, { hash: 'sha256', ...CHACHA }],
  [0xcca9, { hash: 'sha256', ...CHACHA }],
  [0x009c, { hash: 'sha256', ...AES_128, staticRsa: true }],
  [0x009d, { hash: 'sha384', ...AES_256, staticRsa: true }],
])

const TAG_BYTES = 16

/** Undefined where the tag does not fit: another key, or a changed record. */
export function unseal(
  suite: Suite,
  key: Buffer,
  nonce: Buffer,
  additional: Buffer,
  sealed: Buffer,
): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  // Node types the two AEADs apart and treats them alike.
  const cipher = suite.cipher as CipherGCMTypes
  const decipher = createDecipheriv(cipher, key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(additional)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

/** HKDF-Expand-Label with an empty context, for outputs of at most one hash (RFC 8446 section 7.1). */
export function expandLabel(suite: Suite, secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([length >> 8, length & 0xff, name.length]), name, Buffer.from([0, 1])])
  return createHmac(suite.hash, secret).update(info).digest().subarray(0, length)
}

/** TLS 1.2's PRF (RFC 5246 section 5). */
export function prf12(suite: Suite, secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label), seed])
  let a = labelled
  let out = Buffer.alloc(0)
  while (out.length < length) {
    a = createHmac(suite.hash, secret).update(a).digest()
    out = Buffer.concat([out, createHmac(suite.hash, secret).update(a).update(labelled).digest()])
  }
  return out.subarray(0, length)
}

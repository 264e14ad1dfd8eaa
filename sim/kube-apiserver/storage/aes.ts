/** The providers aescbc and aesgcm: apiserver/pkg/storage/value/encrypt/aes. Keys are 16, 24 or 32 bytes. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Transformer } from './transformer.ts'

const BLOCK = 16
const NONCE = 12
const TAG = 16
const TOO_SHORT = 'the stored data was shorter than the required size'

/** No integrity: values can be moved between keys, and padding errors tell on the plaintext. */
export function aesCbc(key: Buffer): Transformer {
  const algorithm = `aes-${key.length * 8}-cbc`
  return {
    fromStorage(stored) {
      if (stored.length < BLOCK) throw new Error(TOO_SHORT)
      const encrypted = stored.subarray(BLOCK)
      if (encrypted.length % BLOCK !== 0) throw new Error('the stored data is not a multiple of the block size')
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, BLOCK)).setAutoPadding(false)
      const padded = Buffer.concat([decipher.update(encrypted), decipher.final()])
      return { data: withoutPadding(padded), stale: false }
    },
    toStorage(data) {
      const iv = randomBytes(BLOCK)
      const cipher = createCipheriv(algorithm, key, iv)
      return Buffer.concat([iv, cipher.update(data), cipher.final()])
    },
  }
}

// the two texts tell an attacker apart what the real ones do
function withoutPadding(padded: Buffer): Buffer {
  const size = padded.at(-1) ?? 0
  if (size === 0 || size > padded.length) throw new Error('invalid PKCS7 data (empty or not padded)')
  const data = padded.subarray(0, padded.length - size)
  if (padded.subarray(data.length).some((byte) => byte !== size)) throw new Error('invalid padding on input')
  return data
}

/** Authenticated together with the etcd key: a value moved to another key does not open. */
export function aesGcm(key: Buffer): Transformer {
  const algorithm = `aes-${key.length * 8}-gcm` as 'aes-256-gcm'
  return {
    fromStorage(stored, etcdKey) {
      if (stored.length < NONCE) throw new Error(TOO_SHORT)
      try {
        const decipher = createDecipheriv(algorithm, key, stored.subarray(0, NONCE), { authTagLength: TAG })
        decipher.setAAD(Buffer.from(etcdKey)).setAuthTag(stored.subarray(-TAG))
        const data = Buffer.concat([decipher.update(stored.subarray(NONCE, -TAG)), decipher.final()])
        return { data, stale: false }
      } catch (error) {
        throw new Error('cipher: message authentication failed', { cause: error })
      }
    },
    toStorage(data, etcdKey) {
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(etcdKey))
      return Buffer.concat([nonce, cipher.update(data), cipher.final(), cipher.getAuthTag()])
    },
  }
}

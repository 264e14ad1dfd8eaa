/**
 * The provider secretbox, XSalsa20-Poly1305: apiserver/pkg/storage/value/encrypt/secretbox. The one door to
 * @noble/ciphers. The etcd key is not authenticated: a value may be moved to another key unnoticed.
 */
import { randomBytes } from 'node:crypto'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import type { Transformer } from './transformer.ts'

const NONCE = 24
const OVERHEAD = 16

export function secretbox(key: Buffer): Transformer {
  return {
    fromStorage(stored) {
      if (stored.length < NONCE + OVERHEAD) throw new Error('the stored data was shorter than the required size')
      try {
        const data = Buffer.from(xsalsa20poly1305(key, stored.subarray(0, NONCE)).decrypt(stored.subarray(NONCE)))
        return { data, stale: false }
      } catch (error) {
        // secretbox.go says this of whatever does not open
        throw new Error('output array was not large enough for encryption', { cause: error })
      }
    },
    toStorage(data) {
      const nonce = randomBytes(NONCE)
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(data)])
    },
  }
}

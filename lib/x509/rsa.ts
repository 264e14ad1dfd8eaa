import { constants, createHash, verify as verifySignature } from 'node:crypto'
import { keyObject, type PublicKey, rsaKeyOctets } from './public-key.ts'
import type { Hash } from './signature-algorithm.ts'

type RsaKey = Extract<PublicKey, { kind: 'RSA' }>

const VERIFICATION_ERROR = 'crypto/rsa: verification error'

/** OpenSSL's OPENSSL_RSA_MAX_MODULUS_BITS. Go has no such limit when it verifies certificates. */
const OPENSSL_MAX_MODULUS_BITS = 16384

/** Go's rsa.VerifyPKCS1v15 or VerifyPSS with a salt as long as the hash: the text of its error, if any. */
export function rsaProblem(
  key: RsaKey,
  hash: Hash,
  pss: boolean,
  message: Buffer,
  signature: Buffer,
): string | undefined {
  const weakness = keyProblem(key)
  if (weakness !== undefined) return weakness
  if (signature.length !== rsaKeyOctets(key)) return VERIFICATION_ERROR
  if (key.modulusBits > OPENSSL_MAX_MODULUS_BITS) {
    return verifyLarge(key, hash, pss, message, signature) ? undefined : VERIFICATION_ERROR
  }
  const padding = pss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  const good = verifySignature(hash, message, { key: keyObject(key), padding, saltLength }, signature)
  return good ? undefined : VERIFICATION_ERROR
}

/** In Go's order: checkKeySize of crypto/rsa, then checkPublicKey of crypto/internal/fips140/rsa. */
function keyProblem({ modulus, modulusBits, exponent }: RsaKey): string | undefined {
  if (modulusBits < 1024) {
    return `crypto/rsa: ${modulusBits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`
  }
  if (modulus % 2n === 0n) return 'crypto/rsa: public modulus is even'
  if (exponent < 2n) return 'crypto/rsa: public exponent too small or negative'
  if (exponent % 2n === 0n) return 'crypto/rsa: public exponent is even'
  return exponent > 0x7fffffffn ? 'crypto/rsa: public exponent too large' : undefined
}

/** DigestInfo up to the digest (RFC 8017 section 9.2 note 1). */
const DIGEST_INFO: Partial<Record<Hash, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

function verifyLarge(key: RsaKey, hash: Hash, pss: boolean, message: Buffer, signature: Buffer): boolean {
  const base = BigInt(`0x${signature.toString('hex')}`)
  if (base >= key.modulus) return false
  const octets = rsaKeyOctets(key)
  const encoded = Buffer.from(
    power(base, key)
      .toString(16)
      .padStart(octets * 2, '0'),
    'hex',
  )
  const digest = createHash(hash).update(message).digest()
  return pss ? isPss(encoded, key.modulusBits - 1, hash, digest) : encoded.equals(pkcs1(octets, hash, digest))
}

function power(base: bigint, { modulus, exponent }: RsaKey): bigint {
  let result = 1n
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus
    if (bit === '1') result = (result * base) % modulus
  }
  return result
}

function pkcs1(octets: number, hash: Hash, digest: Buffer): Buffer {
  const info = Buffer.concat([Buffer.from(DIGEST_INFO[hash] ?? '', 'hex'), digest])
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(octets - info.length - 3, 0xff), Buffer.from([0]), info])
}

/** EMSA-PSS-VERIFY (RFC 8017 section 9.1.2). `encoded` is as long as the modulus, perhaps one octet longer than EM. */
function isPss(encoded: Buffer, bits: number, hash: Hash, digest: Buffer): boolean {
  const length = Math.ceil(bits / 8)
  if (encoded.length > length && encoded[0] !== 0) return false
  const em = encoded.subarray(encoded.length - length)
  const masked = em.subarray(0, length - digest.length - 1)
  const h = em.subarray(length - digest.length - 1, length - 1)
  const topBits = 0xff >> (8 * length - bits)
  if (em[length - 1] !== 0xbc || (em[0] ?? 0) & ~topBits) return false
  const mask = mgf1(hash, h, masked.length)
  const db = Buffer.from(masked.map((octet, i) => octet ^ (mask[i] ?? 0)))
  db[0] = (db[0] ?? 0) & topBits
  const padding = db.length - digest.length - 1
  if (db.subarray(0, padding).some((octet) => octet !== 0) || db[padding] !== 1) return false
  const again = createHash(hash)
    .update(Buffer.alloc(8))
    .update(digest)
    .update(db.subarray(padding + 1))
  return again.digest().equals(h)
}

function mgf1(hash: Hash, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0, made = 0; made < length; counter++) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(counter)
    const block = createHash(hash).update(seed).update(number).digest()
    blocks.push(block)
    made += block.length
  }
  return Buffer.concat(blocks)
}

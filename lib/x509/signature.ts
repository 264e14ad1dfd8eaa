import { verify as verifySignature } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { keyObject, type PublicKey } from './public-key.ts'
import { rsaProblem } from './rsa.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

const UNIMPLEMENTED = 'x509: cannot verify signature: algorithm unimplemented'

/** How Go's %T prints the keys. */
export const GO_KEY_TYPES: Record<PublicKey['kind'], string> = {
  RSA: '*rsa.PublicKey',
  ECDSA: '*ecdsa.PublicKey',
  Ed25519: 'ed25519.PublicKey',
  DSA: '*dsa.PublicKey',
}

/** Who signed whom does not change, whatever the time and the pool: it is computed once for two certificates. */
const decided = new WeakMap<Certificate, WeakMap<Certificate, { problem: string | undefined }>>()

/** Go's Certificate.CheckSignatureFrom: why `parent` cannot have signed `child`, in Go's words; `undefined` if it has. */
export function signatureProblem(child: Certificate, parent: Certificate): string | undefined {
  const isCA = parent.basicConstraintsValid ? parent.isCA : parent.version !== 3
  const mayNotSign = parent.keyUsage?.length ? !parent.keyUsage.includes('keyCertSign') : false
  if (!isCA || mayNotSign) return 'x509: invalid signature: parent certificate cannot sign this kind of certificate'
  if (parent.publicKey === undefined) return UNIMPLEMENTED
  const ofParent = decided.get(parent) ?? new WeakMap<Certificate, { problem: string | undefined }>()
  decided.set(parent, ofParent)
  let decision = ofParent.get(child)
  if (!decision) {
    decision = {
      problem: signatureError(child.signatureAlgorithm, child.rawTbsCertificate, child.signature, parent.publicKey),
    }
    ofParent.set(child, decision)
  }
  return decision.problem
}

/** Why `signature` is none of `key` on `message`, in Go's words. */
export function signatureError(
  algorithm: SignatureAlgorithm | undefined,
  message: Buffer,
  signature: Buffer,
  key: PublicKey,
): string | undefined {
  if (algorithm === undefined) return UNIMPLEMENTED
  const { hash, keyKind, name } = algorithm
  if (hash === 'md5' || hash === 'sha1') return `x509: cannot verify signature: insecure algorithm ${name}`
  if (key.kind === 'DSA') return UNIMPLEMENTED
  if (key.kind !== keyKind) {
    return `x509: signature algorithm specifies an ${keyKind} public key, but have public key of type ${GO_KEY_TYPES[key.kind]}`
  }
  if (key.kind === 'RSA') return rsaProblem(key, hash ?? 'sha256', algorithm.pss === true, message, signature)
  // Ed25519 takes no hash.
  const good = verifySignature(hash, message, keyObject(key), signature)
  return good ? undefined : `x509: ${keyKind} verification failure`
}

/** Certificates, keys and CA bundles that flags name: read and refused as Go does, and read again when they change. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import type { KeyPair } from '../../lib/tls/listen.ts'
import { StartRefusal } from './options.ts'

const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
}

/** The text of a file. Throws `open <path>: …`, behind `before`. */
export function readText(path: string, before = ''): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const what = code === 'EISDIR' ? 'read' : 'open'
    throw new StartRefusal(`${before}${what} ${path}: ${SYSTEM_TEXTS[code] ?? message}`)
  }
}

/** The file as it is now; while it cannot be read or `refuse` says no, as it was last. */
export function watchedText(
  path: string,
  first: string,
  refuse: (text: string) => boolean = () => false,
): () => string {
  let text = first
  let seen = 0
  return () => {
    try {
      const { mtimeMs, ino } = statSync(path)
      if (mtimeMs + ino === seen) return text
      seen = mtimeMs + ino
      const next = readFileSync(path, 'utf8')
      if (!refuse(next)) text = next
    } catch {
      // a file that is being replaced is there again at the next request
    }
    return text
  }
}

/** A CA bundle that must hold a certificate, as dynamic_cafile_content.go loads it. */
export function caBundle(name: string, path: string): () => string {
  const text = readText(path)
  const title = JSON.stringify(`${name}::${path}`)
  if (text === '') throw new StartRefusal(`missing content for CA bundle ${title}`)
  if (certificatesFromPem(text).length === 0) {
    throw new StartRefusal(
      `error loading CA bundle for ${title}: data does not contain any valid RSA or ECDSA certificates`,
    )
  }
  return watchedText(path, text, (next) => certificatesFromPem(next).length === 0)
}

/** A pair of files that must fit together, as tls.X509KeyPair judges them; `before` stands in front of every text. */
export function keyPairFiles(certPath: string, keyPath: string, before = ''): () => KeyPair {
  const cert = readText(certPath, before)
  const key = readText(keyPath, before)
  const refused = refusePair(cert, key)
  if (refused !== undefined) throw new StartRefusal(`${before}${refused}`)
  const [certNow, keyNow] = [watchedText(certPath, cert), watchedText(keyPath, key)]
  let pair: KeyPair = { cert, key }
  return () => {
    const next = { cert: certNow(), key: keyNow() }
    const changed = next.cert !== pair.cert || next.key !== pair.key
    // between the writing of one file and the other the old pair serves
    if (changed && refusePair(next.cert, next.key) === undefined) pair = next
    return pair
  }
}

function refusePair(cert: string, key: string): string | undefined {
  const [leaf] = certificatesFromPem(cert)
  if (!leaf) return 'tls: failed to find any PEM data in certificate input'
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(key)
  } catch {
    return key.includes('-----BEGIN')
      ? 'tls: failed to parse private key'
      : 'tls: failed to find any PEM data in key input'
  }
  const { publicKey } = new X509Certificate(leaf)
  if (publicKey.asymmetricKeyType !== privateKey.asymmetricKeyType) {
    return 'tls: private key type does not match public key type'
  }
  return publicKey.equals(createPublicKey(privateKey)) ? undefined : 'tls: private key does not match public key'
}

/** --service-account-signing-key-file. */
export function signingKey(path: string): KeyObject {
  const before = 'failed to parse service-account-issuer-key-file: '
  const text = readText(path, before)
  try {
    const key = createPrivateKey(text)
    if (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec') return key
  } catch {
    // said below
  }
  const why = 'data does not contain a valid RSA or ECDSA private key'
  throw new StartRefusal(`${before}error reading private key file ${path}: ${why}`)
}

/** The public keys of one --service-account-key-file, each as PEM; a private key stands for its public one. */
export function verificationKeys(path: string): string[] {
  const text = readText(path)
  const blocks = text.match(/-----BEGIN [^-]+-----[\s\S]*?-----END [^-]+-----/g) ?? []
  const keys = blocks.flatMap((block) => {
    try {
      return [createPublicKey(block).export({ type: 'spki', format: 'pem' }).toString()]
    } catch {
      return []
    }
  })
  if (keys.length > 0) return keys
  throw new StartRefusal(
    `error reading public key file ${path}: data does not contain any valid RSA or ECDSA public keys`,
  )
}

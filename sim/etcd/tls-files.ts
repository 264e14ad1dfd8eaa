/** The certificate files that flags name, checked as Go reads them: tls.X509KeyPair, and etcd's tlsutil.NewCertPool. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { certificatesFromPem, pemBlocks } from '../../lib/x509/pem.ts'
import type { TlsFiles } from './config.ts'

/** @throws Error with Go's text, such as `tls: private key does not match public key`. */
export function checkTlsFiles({ certFile, keyFile, trustedCaFile }: TlsFiles): void {
  if (!certFile !== !keyFile)
    throw new Error(`KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`)
  const [cert, key] = [readTlsFile(certFile), readTlsFile(keyFile)]
  const chain = certificatesFromPem(cert)
  if (chain.length === 0) throw new Error(missing('certificate', cert))
  const leaf = parseCertificate(chain[0]!)
  const block = pemBlocks(key).find(({ label }) => label.endsWith('PRIVATE KEY'))
  if (!block) throw new Error(missing('key', key))
  const [wanted, own] = [publicKeyOf(leaf.rawSubjectPublicKeyInfo), privateKeyOf(key)]
  if (wanted.asymmetricKeyType !== own.asymmetricKeyType)
    throw new Error('tls: private key type does not match public key type')
  if (!createPublicKey(own).equals(wanted)) throw new Error('tls: private key does not match public key')
  // An empty bundle trusts nobody and stops nothing.
  if (trustedCaFile) for (const der of certificatesFromPem(readTlsFile(trustedCaFile))) parseCertificate(der)
}

export function readTlsFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
    throw new Error(`open ${path}: ${why}`, { cause: error })
  }
}

function missing(what: 'certificate' | 'key', text: string): string {
  const labels = pemBlocks(text).map(({ label }) => label)
  if (labels.length === 0) return `tls: failed to find any PEM data in ${what} input`
  if (what === 'key')
    return (
      'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: ' +
      `[${labels.join(' ')}]`
    )
  return labels.length === 1 && labels[0]!.endsWith('PRIVATE KEY')
    ? 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
    : `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${labels.join(' ')}]`
}

function publicKeyOf(spki: Buffer): KeyObject {
  return createPublicKey({ key: spki, format: 'der', type: 'spki' })
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new Error('tls: failed to parse private key', { cause: error })
  }
}

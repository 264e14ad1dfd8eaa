/** What a kubelet shows on its secure port: the files it was given, read again when they change, or a pair of its own. */
import { readFileSync, statSync } from 'node:fs'
import { selfSigned } from '../../lib/x509/self-signed.ts'
import type { KeyPair } from '../../lib/tls/listen.ts'
import type { CertificateFiles } from './certificate/certificate-files.ts'
import type { KubeletSettings } from './settings.ts'
import { SettingsError } from './validation.ts'

/** `issued` is where a certificate lies that kube-apiserver had signed. @throws SettingsError where a file cannot be read at the start. */
export function servingCertificate(
  { tlsCertFile, tlsPrivateKeyFile, nodeName }: KubeletSettings,
  issued: CertificateFiles | undefined,
): () => KeyPair | undefined {
  if (issued) {
    // one file holds both, and there is none until the request was approved
    return () => {
      const pem = issued.current()
      return pem === undefined ? undefined : { cert: pem, key: pem }
    }
  }
  if (tlsCertFile === undefined && tlsPrivateKeyFile === undefined) {
    const pair = selfSigned(nodeName)
    return () => pair
  }
  const cert = rereadFile(tlsCertFile ?? '', (why) => certificateError(why))
  const key = rereadFile(tlsPrivateKeyFile ?? '', (why) => certificateError(why))
  return () => {
    const pair = { cert: cert(), key: key() }
    return pair.cert === undefined || pair.key === undefined ? undefined : { cert: pair.cert, key: pair.key }
  }
}

/** Reads now, and again once the file was touched; a file that went away keeps its last content. */
export function rereadFile(path: string, refuse: (why: string) => SettingsError): () => string | undefined {
  let text: string | undefined
  let modifiedMs = 0
  const read = (): void => {
    const now = statSync(path).mtimeMs
    if (now === modifiedMs) return
    text = readFileSync(path, 'utf8')
    modifiedMs = now
  }
  try {
    read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
    throw refuse(`open ${path}: ${why}`)
  }
  return () => {
    try {
      read()
    } catch {
      // rotated just now; the next look finds it
    }
    return text
  }
}

function certificateError(why: string): SettingsError {
  return new SettingsError(
    `failed to run Kubelet: failed to create kubelet: failed to initialize file based certificate manager: unable to set up dynamic certificate manager for kubelet server cert files: ${why}`,
  )
}

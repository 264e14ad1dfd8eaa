/** The pair that `--auto-tls` makes (client/pkg/transport/listener.go, SelfCert): ECDSA P-521, O=etcd, its own CA. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { certificateDer, generalName, nameOf, publicKeyInfo } from '../../lib/x509/certificate-der.ts'
import { OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE } from '../../lib/x509/der.ts'
import { certificatePem, element, extension, hex, TRUE } from '../../lib/x509/der-writer.ts'
import { log } from './log.ts'

export interface SelfCertOptions {
  folder: string
  /** Names and addresses, without ports. */
  hosts: readonly string[]
  /** --self-signed-cert-validity */
  years: number
  /** For the peer port, where both sides show it. */
  forClients: boolean
}

const YEAR_MS = 365 * 24 * 3_600_000
const ORGANIZATION = '55040a'
const SERVER_AUTH = element(OBJECT_IDENTIFIER, hex('2b06010505070301'))
const CLIENT_AUTH = element(OBJECT_IDENTIFIER, hex('2b06010505070302'))
/** digitalSignature, keyEncipherment and cRLSign: what signs itself there is no keyCertSign. */
const KEY_USAGE = hex('030201a2')

/** Makes the pair once: what lies in the folder is used again. @throws Error with etcd's text. */
export function selfCertificate(options: SelfCertOptions): { certFile: string; keyFile: string } {
  if (options.years <= 0) throw new Error('selfSignedCertValidity is invalid,it should be greater than 0')
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  const [certFile, keyFile] = [resolve(join(options.folder, 'cert.pem')), resolve(join(options.folder, 'key.pem'))]
  if (existsSync(certFile) && existsSync(keyFile)) return { certFile, keyFile }
  const notAfter = new Date(Date.now() + options.years * YEAR_MS)
  log('warn', 'automatically generate certificates', { 'certificate-validity-bound-not-after': notAfter.toISOString() })
  const { cert, key } = selfSigned(options, notAfter)
  writeFileSync(certFile, cert)
  log('info', 'created cert file', { path: certFile })
  writeFileSync(keyFile, key, { mode: 0o600 })
  log('info', 'created key file', { path: keyFile })
  return { certFile, keyFile }
}

function selfSigned({ hosts, forClients }: SelfCertOptions, notAfter: Date): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  const name = nameOf(ORGANIZATION, 'etcd')
  const certificate = certificateDer({
    issuer: name,
    subject: name,
    notBefore: new Date(),
    notAfter,
    publicKeyInfo: publicKeyInfo(publicKey),
    extensions: [
      extension('551d0f', true, KEY_USAGE),
      extension('551d25', false, element(SEQUENCE, SERVER_AUTH, ...(forClients ? [CLIENT_AUTH] : []))),
      extension('551d13', true, element(SEQUENCE, TRUE)),
      extension('551d0e', false, element(OCTET_STRING, randomBytes(20))),
      extension('551d11', false, element(SEQUENCE, ...hosts.map(generalName))),
    ],
    signer: privateKey,
  })
  return {
    cert: certificatePem(certificate),
    key: privateKey.export({ type: 'sec1', format: 'pem' }) as string,
  }
}

/** Who may speak on a TLS port of a member (client/pkg/transport/listener.go and listener_tls.go). */
import { readFileSync } from 'node:fs'
import { alertName, ALERTS } from '../../lib/tls/alerts.ts'
import type { HandshakeVerdict, TlsConnection } from '../../lib/tls/listen.ts'
import { parseRevocationList } from '../../lib/x509/crl.ts'
import { answerToClientChain } from '../../lib/x509/handshake-answer.ts'
import { hostnameProblem } from '../../lib/x509/hostname.ts'
import { parseCertificate, type Certificate } from '../../lib/x509/parse.ts'
import { certPool } from '../../lib/x509/pool.ts'
import type { TlsFiles } from './config.ts'

export const POLICY_TEXT = 'client certificate authentication failed'

/** The decision in the handshake, or undefined where no certificate is asked for: a CA file alone asks for one. */
export function handshakeVerifier(
  files: TlsFiles,
  caPem: string | undefined,
): ((connection: TlsConnection) => HandshakeVerdict | undefined) | undefined {
  if (!files.clientCertAuth && !files.trustedCaFile) return undefined
  // Without a CA file Go takes the machine's roots, where no certificate of a cluster was ever signed.
  const roots = certPool(caPem ?? '')
  return ({ peerChain }) => {
    const answer = answerToClientChain(peerChain, { mode: 'require', version: 'TLSv1.3', roots, time: new Date() })
    if (!answer.ok) return { alert: answer.alert, code: alertName(answer.alert), text: answer.error }
    const leaf = parseCertificate(peerChain[0]!)
    return isAllowed(leaf, files)
      ? undefined
      : { alert: ALERTS.bad_certificate, code: 'bad_certificate', text: POLICY_TEXT }
  }
}

/** The same with the revocation list, for a port whose handshake looks at it. */
export function withRevocation(files: TlsFiles, caPem: string | undefined): ReturnType<typeof handshakeVerifier> {
  const verify = handshakeVerifier(files, caPem)
  if (!verify) return undefined
  return (connection) => {
    const refused = verify(connection)
    if (refused) return refused
    const text = revocationProblem(files, connection)
    return text === undefined ? undefined : { alert: ALERTS.bad_certificate, code: 'bad_certificate', text }
  }
}

function isAllowed(leaf: Certificate, { allowedCns, allowedHostname }: TlsFiles): boolean {
  if (allowedCns.length > 0) return allowedCns.includes(leaf.subject.commonName)
  return !allowedHostname || hostnameProblem(leaf, allowedHostname) === undefined
}

/** The refusal after a good handshake: a serial on the revocation list, read anew for each connection. */
export function revocationProblem(files: TlsFiles, { peerChain }: TlsConnection): string | undefined {
  if (!files.crlFile || peerChain.length === 0) return undefined
  let revoked: readonly bigint[]
  try {
    revoked = parseRevocationList(readFileSync(files.crlFile)).revoked.map(({ serialNumber }) => serialNumber)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? `open ${files.crlFile}: no such file or directory` : message
  }
  const hit = peerChain.map((der) => parseCertificate(der).serialNumber).find((serial) => revoked.includes(serial))
  return hit === undefined ? undefined : `transport: certificate serial ${hit.toString(16)} revoked`
}

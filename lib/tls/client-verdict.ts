/** What a listener says of the certificates that a client has shown, or has not. */
import type { TLSSocket } from 'node:tls'
import { answerToClientChain } from '../x509/handshake-answer.ts'
import { certPool } from '../x509/pool.ts'
import { ALERTS, alertName } from './alerts.ts'
import type { ClientCertificates, HandshakeVerdict, TlsConnection } from './listen.ts'

const NO_ROOTS = certPool('')

/**
 * The order is Go's (crypto/tls processCertsFromClient): a missing certificate is refused before anybody is asked, and so
 * is, also where none is required, one that Go cannot read; a key of a kind that Go cannot use comes after verification.
 */
export function clientVerdict(
  asks: ClientCertificates,
  connection: TlsConnection,
  socket: TLSSocket,
): HandshakeVerdict | undefined {
  if (asks.mode === 'none') return undefined
  const version = socket.getProtocol() === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2'
  if (connection.peerChain.length === 0) {
    if (asks.mode === 'request') return undefined
    const alert = version === 'TLSv1.3' ? ALERTS.certificate_required : ALERTS.handshake_failure
    return { alert, code: alertName(alert), text: `tls: client didn't provide a certificate` }
  }
  const options = { mode: 'request', version, roots: NO_ROOTS, time: new Date() } as const
  const answer = answerToClientChain(connection.peerChain, options)
  const unfit = answer.ok ? undefined : { alert: answer.alert, code: alertName(answer.alert), text: answer.error }
  if (asks.mode === 'request' || (unfit && unfit.alert !== ALERTS.unsupported_certificate)) return unfit
  return asks.verify(connection) ?? unfit
}

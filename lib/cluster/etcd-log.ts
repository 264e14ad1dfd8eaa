/** What a real etcd's log says of others, as witness facts. */
import type { WitnessFacts } from './witness.ts'

interface LogLine {
  msg?: string
  'remote-addr'?: string
  error?: string
}

/**
 * A rejected connection (server/embed, `rejected connection`; since 3.6 `… on client endpoint`, `… on peer endpoint`),
 * from zap's JSON. `goMinor` is that of the Go that etcd was built with: it decides which alert was sent. A log of the
 * other end's alert is the other end's word.
 */
export function etcdLogFacts(line: string, goMinor: number): WitnessFacts | undefined {
  if (!line.startsWith('{') || !line.includes('rejected connection')) return undefined
  let said: LogLine
  try {
    said = JSON.parse(line) as LogLine
  } catch {
    return undefined
  }
  const { msg = '', error = '' } = said
  const remote = said['remote-addr']
  if (!msg.startsWith('rejected connection') || remote === undefined) return undefined
  // Nobody was refused who said nothing or left.
  if (error === 'EOF' || error.endsWith('connection reset by peer')) return undefined
  const code = alertFor(error, goMinor)
  return { about: 'connection', decision: 'refuse', remote, layer: 'tls-alert', ...(code ? { code } : {}), text: error }
}

/** Up to here Go had one alert for every client certificate (seen of etcd 3.4.23, built with 1.19). */
const ONE_ALERT_MINOR = 19

/** From here on surely one for each (crypto/tls/handshake_server.go, processCertsFromClient, of 1.26). */
const OWN_ALERTS_MINOR = 24

/** The alert that goes with an error; undefined where only the one that it was sent to can know. */
function alertFor(error: string, goMinor: number): string | undefined {
  const isOfCertificate = error.includes('x509: ') || error.includes("client didn't provide a certificate")
  if (goMinor <= ONE_ALERT_MINOR && isOfCertificate) return 'bad_certificate'
  if (!(goMinor >= OWN_ALERTS_MINOR)) return undefined
  if (error.includes('certificate signed by unknown authority')) return 'unknown_ca'
  return error.includes('certificate has expired') ? 'certificate_expired' : undefined
}

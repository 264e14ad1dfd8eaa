/**
 * The dialling side: opens a connection and verifies the server by Go's rules before anything is said on it.
 *
 * A client certificate goes to whoever asks for one, whatever CAs it names. Go's tls.Config.Certificates would hold it back
 * from a server that names others; but client-go and etcd set GetClientCertificate, which is asked for no such thing
 * (client-go/transport/transport.go, etcd/client/pkg/transport/listener.go).
 */
import { isIP, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { answerToServerChain } from '../x509/handshake-answer.ts'
import { certPool } from '../x509/pool.ts'
import { ALERTS } from './alerts.ts'
import type { KeyPair } from './listen.ts'
import { sendOwnAlert } from './own-alert.ts'
import { NO_NAMES } from './ca-names.ts'
import { peerChain } from './peer-chain.ts'
import { dialPlain, endsOf } from './plain.ts'
import { cachedContext, GO_DEFAULT_POLICY, policyOptions, type TlsPolicy } from './policy.ts'
import { Refusal, refusalOf } from './refusal.ts'

export interface DialOptions {
  address: string
  port: number
  /** Source address; the host's face (lib/cluster/place.ts). */
  localAddress?: string
  /** Name or IP the server's certificate must carry, by Go's rules. SNI is sent where it is a name. */
  serverName: string
  /** PEM bundle to verify the server with; `undefined` means no certificate is trusted. */
  caPem?: string
  /** Go's InsecureSkipVerify. */
  insecureSkipVerify?: boolean
  keyPair?: KeyPair
  alpn?: readonly string[]
  policy?: TlsPolicy
  timeoutMs?: number
  /** A test's to set: recorded verdicts are those of a moment. */
  now?: () => Date
}

const DIAL_TIMEOUT_MS = 10_000

const lastRefusals = new WeakMap<Socket, Refusal>()

/** What ended a socket that dialTls gave out: at TLS 1.3 a server's alert comes after the handshake, with the first read. */
export function lastRefusal(socket: Socket): Refusal | undefined {
  return lastRefusals.get(socket)
}

/** Opens a verified TLS connection. Rejects with a Refusal: `tcp`, `tls-alert` (the server's), `cert-verify` (ours). */
export async function dialTls(options: DialOptions): Promise<TLSSocket> {
  const { address, port, serverName, keyPair } = options
  const timeoutMs = options.timeoutMs ?? DIAL_TIMEOUT_MS
  const raw = await dialPlain({
    address,
    port,
    timeoutMs,
    ...(options.localAddress ? { localAddress: options.localAddress } : {}),
  })
  const socket = connect({
    socket: raw,
    rejectUnauthorized: false,
    secureContext: cachedContext({
      ...policyOptions(options.policy ?? GO_DEFAULT_POLICY),
      ca: NO_NAMES,
      ...(keyPair ? { cert: keyPair.cert, key: keyPair.key } : {}),
    }),
    ...(isIP(serverName) === 0 && serverName !== '' ? { servername: serverName } : {}),
    ...(options.alpn?.length ? { ALPNProtocols: [...options.alpn] } : {}),
  })
  return new Promise((resolve, reject) => {
    let secret: Buffer | undefined
    let isDecided = false
    /** Looks at the server's certificates, once. True: it was refused, and the connection ends. */
    const refuse = (): boolean => {
      isDecided = true
      const refusal = refuseServer(socket, options)
      if (!refusal) return false
      clearTimeout(timer)
      Object.assign(refusal.details, endsOf(raw))
      sendOwnAlert(raw, socket, refusal.details.alert ?? ALERTS.bad_certificate, secret)
      reject(refusal)
      return true
    }
    socket.on('keylog', (line: Buffer) => {
      const [label, , value] = line.toString('latin1').trim().split(' ')
      if (label === 'CLIENT_HANDSHAKE_TRAFFIC_SECRET' && value) secret = Buffer.from(value, 'hex')
      // Below TLS 1.3 the master secret is logged when this end has written its last flight and sent nothing of it yet: there
      // an alert still goes in the clear, in the place of the key exchange, as Go's does.
      if (label === 'CLIENT_RANDOM' && !isDecided) refuse()
    })
    const timer = setTimeout(() => {
      reject(new Refusal(undefined, 'handshake_timeout', 'net/http: TLS handshake timeout'))
      socket.destroy()
    }, timeoutMs)
    socket.on('error', (error) => {
      const refusal = refusalOf(error, { subject: `${address}:${port}`, side: 'client' })
      if (refusal.details.who === 'us') Object.assign(refusal.details, endsOf(raw))
      // What a socket says after the word of the other end is only the echo of it.
      if (lastRefusals.get(socket)?.layer === undefined) lastRefusals.set(socket, refusal)
      reject(refusal)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Refusal(undefined, 'EOF', 'EOF'))
    })
    socket.once('secureConnect', () => {
      if (!isDecided && refuse()) return
      clearTimeout(timer)
      resolve(socket)
    })
  })
}

/** What Go's client says of the certificates, those of a server that it would not verify included. */
function refuseServer(socket: TLSSocket, options: DialOptions): Refusal | undefined {
  const chain = peerChain(socket)
  if (chain.length === 0) {
    const text = 'tls: received empty certificates message'
    return new Refusal('cert-verify', 'unparsable', text, { alert: ALERTS.decode_error, who: 'us' })
  }
  const verification = options.insecureSkipVerify
    ? undefined
    : { roots: certPool(options.caPem ?? ''), time: options.now?.() ?? new Date(), host: options.serverName }
  const answer = answerToServerChain(chain, verification)
  return answer.ok
    ? undefined
    : new Refusal('cert-verify', answer.code, answer.error, { alert: answer.alert, who: 'us' })
}

/** Client-initiated renegotiation (RFC 5746): a second handshake within a connection of TLS 1.2. */
import { connect, type TLSSocket } from 'node:tls'
import { dialPlain } from '../tls/plain.ts'
import { GO_DEFAULT_POLICY, policyOptions } from '../tls/policy.ts'
import { refusalOf } from '../tls/refusal.ts'
import { exchange, statusFacts, type Caller } from './request.ts'
import type { ApiRequest, Observation, Reply } from './world.ts'

const PATIENCE_MS = 3000

/** RFC 5246 section 7.2.2; OpenSSL reports this alert of the other end under a name of its own. */
const NO_RENEGOTIATION = 100

export async function renegotiate(baseUrl: string, request: ApiRequest, caller: Caller): Promise<Reply> {
  const { host, hostname, port } = new URL(baseUrl)
  const seen: Observation = { remote: host }
  try {
    const raw = await dialPlain({ address: hostname, port: Number(port), localAddress: caller.localAddress })
    seen.local = `${raw.localAddress}:${raw.localPort}`
    const socket = connect({
      socket: raw,
      rejectUnauthorized: false,
      ...policyOptions({ ...GO_DEFAULT_POLICY, maxVersion: 'TLSv1.2' }),
      // An attacker's own OpenSSL may ask whatever it likes.
      secureOptions: 0,
      ...(caller.keyPair ? { cert: caller.keyPair.cert, key: caller.keyPair.key } : {}),
    })
    await handshakeTwice(socket)
    const reply = await exchange(socket, host, request, { localAddress: caller.localAddress, observe: () => {} })
    caller.observe({ ...seen, ...statusFacts(reply) })
    return reply
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SSL_NO_RENEGOTIATION') {
      const text = 'remote error: tls: no renegotiation'
      caller.observe({ ...seen, layer: 'tls-alert', code: 'no_renegotiation', alert: NO_RENEGOTIATION, text })
      return { headers: {}, body: '' }
    }
    const { code, message: text, layer, details } = refusalOf(error, { subject: host })
    const alert = details.alert === undefined ? {} : { alert: details.alert }
    caller.observe({ ...seen, code, text, ...alert, ...(layer ? { layer } : {}) })
    return { headers: {}, body: '' }
  }
}

function handshakeTwice(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('no second handshake in time')), PATIENCE_MS)
    socket.on('error', (error) => {
      reject(error)
      socket.destroy()
    })
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('closed in the second handshake'))
    })
    socket.once('secureConnect', () => {
      // Reading is what makes the second handshake go on.
      socket.resume()
      socket.renegotiate({ rejectUnauthorized: false }, (error) => {
        clearTimeout(timer)
        if (error) reject(error)
        else resolve()
      })
    })
  })
}

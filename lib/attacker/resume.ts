/** Takes a TLS session from one server to another: who was authenticated there may pass for authenticated here. */
import { connect, type TLSSocket } from 'node:tls'
import { dialPlain } from '../tls/plain.ts'
import { GO_DEFAULT_POLICY, policyOptions, type TlsVersion } from '../tls/policy.ts'
import { refusalOf } from '../tls/refusal.ts'
import { exchange, statusFacts, type Caller } from './request.ts'
import type { ApiRequest, Observation, Reply } from './world.ts'

export interface ResumeOptions {
  /** Base URL of the server that hands out the ticket; the foothold's credential is shown there. */
  from: string
  /** Base URL of the server that gets it; no certificate is shown there. */
  to: string
  version: TlsVersion
  as?: string
  /** What happens between the two. */
  meanwhile?: () => Promise<void>
}

/** How long a server may take to hand out its tickets: at TLS 1.3 they come with its first words. */
const TICKET_TIMEOUT_MS = 1500

export async function resume(where: ResumeOptions, request: ApiRequest, caller: Caller): Promise<Reply> {
  const to = new URL(where.to)
  const seen: Observation = { remote: to.host }
  try {
    const session = await ticketOf(where, caller)
    await where.meanwhile?.()
    const socket = await dial(where.to, where.version, { localAddress: caller.localAddress }, session)
    seen.local = `${socket.localAddress}:${socket.localPort}`
    const reply = await exchange(socket, to.host, request, { localAddress: caller.localAddress, observe: () => {} })
    caller.observe({ ...seen, ...statusFacts(reply) })
    return reply
  } catch (error) {
    const { code, message: text, layer, details } = refusalOf(error, { subject: to.host })
    const alert = details.alert === undefined ? {} : { alert: details.alert }
    caller.observe({ ...seen, code, text, ...alert, ...(layer ? { layer } : {}) })
    return { headers: {}, body: '' }
  }
}

async function ticketOf(where: ResumeOptions, caller: Caller): Promise<Buffer | undefined> {
  const socket = await dial(where.from, where.version, caller)
  if (where.version !== 'TLSv1.3') {
    // There the ticket is a part of the handshake (RFC 5077 section 3.3), which is over.
    const session = socket.getSession()
    socket.destroy()
    return session
  }
  const ticket = new Promise<Buffer>((resolve) => void socket.once('session', resolve))
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), TICKET_TIMEOUT_MS)
  })
  // Whatever is asked, tickets come with the answer.
  socket.write(`GET /version HTTP/1.1\r\nHost: ${new URL(where.from).host}\r\n\r\n`)
  socket.resume()
  const got = await Promise.race([ticket, patience])
  clearTimeout(timer)
  socket.destroy()
  return got
}

/** By Node's own means: sessions are no business of a component's dialler. The server is not verified. */
async function dial(
  baseUrl: string,
  version: TlsVersion,
  { localAddress, keyPair }: Pick<Caller, 'localAddress' | 'keyPair'>,
  session?: Buffer,
): Promise<TLSSocket> {
  const { hostname, port } = new URL(baseUrl)
  const raw = await dialPlain({ address: hostname, port: Number(port), localAddress })
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: raw,
      rejectUnauthorized: false,
      ...policyOptions({ ...GO_DEFAULT_POLICY, minVersion: version, maxVersion: version }),
      ALPNProtocols: ['http/1.1'],
      ...(keyPair ? { cert: keyPair.cert, key: keyPair.key } : {}),
      ...(session ? { session } : {}),
    })
    socket.on('error', (error) => {
      reject(error)
      socket.destroy()
    })
    socket.once('close', () => reject(new Error('closed in the handshake')))
    socket.once('secureConnect', () => resolve(socket))
  })
}

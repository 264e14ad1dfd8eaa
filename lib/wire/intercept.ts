/**
 * A man in the middle that ends the victim's connection with whatever certificate it has, and either answers in the
 * server's place or dials on. It runs in an attacker's process: the wire only sends a link to it.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { dialTls } from '../tls/dial.ts'
import { listenTls, type KeyPair, type TlsConnection } from '../tls/listen.ts'
import { dialPlain, listenPlain } from '../tls/plain.ts'
import { GO_DEFAULT_POLICY, type TlsPolicy } from '../tls/policy.ts'
import { refusalOf, type Refusal } from '../tls/refusal.ts'
import type { Fault } from './fault.ts'
import { LateWrites } from './late-writes.ts'
import { Passage } from './passage.ts'
import type { Direction } from './relay.ts'
import { unwrap } from './unwrap.ts'

export interface InterceptOptions {
  /** Where victims are sent to; port 0 takes any. Without `tls` the victim is taken to speak in the clear. */
  listen: { address: string; port?: number; tls?: InterceptTls }
  /** Exactly one of the two: where to dial on, or who answers in the server's place. */
  onward?: Onward
  answer?: (socket: Duplex, connection: Intercepted) => void
  /** Sees what passes, whole or in pieces as it comes; what it returns passes instead. */
  pass?: (direction: Direction, chunk: Buffer, connection: Intercepted) => Buffer
  /** What is done to the bytes as they pass, records among them; before `pass` sees them. */
  faults?: readonly Fault[]
  /** How much of each direction is kept for `loot`. Default 4 MiB. */
  keepBytes?: number
}

export interface InterceptTls {
  keyPair: KeyPair
  alpn?: readonly string[]
  policy?: TlsPolicy
  /** Ask victims for a client certificate, as the real server does: it is public, and kept. Default true. */
  askForCertificate?: boolean
}

export interface Onward {
  address: string
  port: number
  /** The attacker's own face. */
  localAddress?: string
  /** Without it the onward side is in the clear. The server is not verified: an attacker does not care. */
  tls?: { serverName?: string; keyPair?: KeyPair }
}

/** One victim's connection. Ends are `ip:port`. */
export interface Intercepted {
  victim: string
  local: string
  alpn?: string
  serverName?: string
  /** The victim's certificates in DER, leaf first; of no use without their key. */
  peerChain: Buffer[]
  /** What passed, as it came, up to `keepBytes` each way. With `answer` only what that notes itself. */
  toCallee: Buffer[]
  toCaller: Buffer[]
  /** Why dialling on came to nothing, or how the real server refused us. */
  refusedOnward?: Refusal
}

/** A victim that did not take our certificate, in its own words. */
export interface RefusedByVictim {
  victim: string
  local: string
  refusal: Refusal
}

export interface Interceptor {
  address: string
  port: number
  readonly connections: readonly Intercepted[]
  readonly refused: readonly RefusedByVictim[]
  /** All that was seen, as it came and unwrapped. */
  loot(): Buffer[]
  close(): Promise<void>
}

const KEPT_BYTES = 4 * 1024 * 1024

export async function intercept(options: InterceptOptions): Promise<Interceptor> {
  const connections: Intercepted[] = []
  const refused: RefusedByVictim[] = []
  const open = new Set<Duplex>()
  const { address, port = 0, tls } = options.listen

  const take = (socket: Socket, facts: { local: string; remote: string } & Partial<TlsConnection>) => {
    const connection: Intercepted = {
      victim: facts.remote,
      local: facts.local,
      ...(facts.alpn === undefined ? {} : { alpn: facts.alpn }),
      ...(facts.serverName === undefined ? {} : { serverName: facts.serverName }),
      peerChain: facts.peerChain ?? [],
      toCallee: [],
      toCaller: [],
    }
    connections.push(connection)
    hold(open, socket)
    // A client that makes up its mind after the handshake, as one of TLS 1.2 may, says so here.
    socket.once('error', (error) => {
      const refusal = refusalOf(error)
      if (refusal.layer === 'tls-alert') refused.push({ victim: facts.remote, local: facts.local, refusal })
    })
    if (options.answer !== undefined) options.answer(socket, connection)
    else if (options.onward !== undefined) void passOn(socket, connection, options.onward, options, open)
    else socket.destroy()
  }

  const listener =
    tls === undefined
      ? await listenPlain({ address, port, onConnection: take })
      : await listenTls({
          address,
          port,
          policy: tls.policy ?? GO_DEFAULT_POLICY,
          keyPair: () => tls.keyPair,
          clientCertificates: { mode: tls.askForCertificate === false ? 'none' : 'request' },
          alpn: tls.alpn ?? [],
          plainHttp: 'close',
          onConnection: take,
          onRefusal: (refusal, { remote, local }) => refused.push({ victim: remote, local, refusal }),
        })
  return {
    address: listener.address,
    port: listener.port,
    connections,
    refused,
    loot: () => connections.flatMap(lootOf),
    close: async () => {
      const closed = listener.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function lootOf(connection: Intercepted): Buffer[] {
  const toCallee = Buffer.concat(connection.toCallee)
  const toCaller = Buffer.concat(connection.toCaller)
  const unwrapped = unwrap(toCallee, toCaller).map(({ bytes }) => bytes)
  return [toCallee, toCaller, ...unwrapped].filter(({ length }) => length > 0)
}

async function passOn(
  victim: Socket,
  connection: Intercepted,
  onward: Onward,
  options: InterceptOptions,
  open: Set<Duplex>,
): Promise<void> {
  victim.pause()
  let server: Socket
  try {
    server = await dialOn(onward, connection.alpn)
  } catch (error) {
    connection.refusedOnward = refusalOf(error)
    victim.destroy()
    return
  }
  hold(open, server)
  // At TLS 1.3 a server refuses after the handshake.
  server.once('error', (error) => (connection.refusedOnward ??= refusalOf(error)))
  splice(victim, server, 'toCallee', connection, options)
  splice(server, victim, 'toCaller', connection, options)
}

function dialOn({ tls, ...where }: Onward, alpn: string | undefined): Promise<Socket> {
  if (tls === undefined) return dialPlain(where)
  return dialTls({
    ...where,
    serverName: tls.serverName ?? where.address,
    insecureSkipVerify: true,
    ...(tls.keyPair === undefined ? {} : { keyPair: tls.keyPair }),
    // What the victim and we agreed on, so that both sides speak the same.
    ...(alpn === undefined ? {} : { alpn: [alpn] }),
  })
}

function splice(
  source: Socket,
  sink: Socket,
  way: Direction,
  connection: Intercepted,
  options: InterceptOptions,
): void {
  let kept = 0
  const faults = (options.faults ?? []).filter(({ direction }) => direction === way)
  const passage = faults.length > 0 ? new Passage(faults) : undefined
  const late = new LateWrites(source, sink)
  const pass = (chunk: Buffer, delayMs = 0): void => {
    const bytes = chunk.length > 0 ? (options.pass?.(way, chunk, connection) ?? chunk) : chunk
    if (bytes.length === 0) return
    if (late.takes(delayMs)) late.write(bytes, delayMs)
    else if (!sink.write(bytes)) source.pause()
  }
  source.on('data', (chunk: Buffer) => {
    const room = (options.keepBytes ?? KEPT_BYTES) - kept
    if (room > 0) connection[way].push(chunk.subarray(0, room))
    kept += chunk.length
    if (passage === undefined) return pass(chunk)
    const { bytes, delayMs, ending } = passage.push(chunk)
    pass(bytes, delayMs)
    if (ending === 'freeze') source.pause()
    else if (ending === 'reset') late.afterwards(() => sink.resetAndDestroy())
    else if (ending !== undefined) late.afterwards(() => sink.end())
    if (ending === 'reset') late.afterwards(() => source.resetAndDestroy())
    else if (ending === 'cut') late.afterwards(() => source.end())
  })
  sink.on('drain', () => (late.isFull ? undefined : source.resume()))
  source.once('end', () => {
    if (passage !== undefined) pass(passage.end().bytes)
    late.afterwards(() => sink.end())
  })
  source.once('close', () => (source.readableEnded ? undefined : sink.destroy()))
  source.resume()
}

function hold(open: Set<Duplex>, socket: Duplex): void {
  socket.on('error', () => {})
  open.add(socket)
  socket.once('close', () => open.delete(socket))
}

/** The plain-text sibling of listen.ts and dial.ts, for postures that say http://. */
import { connect, createServer, type Socket } from 'node:net'
import type { Listener } from './listen.ts'
import { assertLoopback } from './loopback.ts'
import { refusalOf } from './refusal.ts'

export interface PlainConnection {
  local: string
  remote: string
}

export interface PlainListenOptions {
  address: string
  port: number
  onConnection: (socket: Socket, connection: PlainConnection) => void
}

export async function listenPlain(options: PlainListenOptions): Promise<Listener> {
  assertLoopback(options.address, 'listen on')
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    if (isGone(socket)) return void socket.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    options.onConnection(socket, endsOf(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.address, port: options.port, backlog: 511 }, resolve)
  })
  const bound = server.address() as { address: string; port: number }
  return {
    address: bound.address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

export interface PlainDialOptions {
  address: string
  port: number
  localAddress?: string
  timeoutMs?: number
}

const DIAL_TIMEOUT_MS = 10_000

/** Rejects with a Refusal. */
export async function dialPlain(options: PlainDialOptions): Promise<Socket> {
  assertLoopback(options.address, 'dial')
  const { address, port, localAddress } = options
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true, ...(localAddress ? { localAddress } : {}) })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(refusalOf(error, { subject: `dial tcp ${address}:${port}` }))
    }
    const timer = setTimeout(() => fail(new Error('i/o timeout')), options.timeoutMs ?? DIAL_TIMEOUT_MS)
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      resolve(socket)
    })
    socket.once('close', () => clearTimeout(timer))
  })
}

/** Reset before it was accepted: the system no longer says from whom it came, and nothing is left to refuse. */
export function isGone(accepted: Socket): boolean {
  return accepted.remoteAddress === undefined
}

export function endsOf(socket: Socket): PlainConnection {
  return {
    local: `${plainAddress(socket.localAddress)}:${socket.localPort ?? 0}`,
    remote: `${plainAddress(socket.remoteAddress)}:${socket.remotePort ?? 0}`,
  }
}

/** Node gives IPv4 peers of a dual-stack socket in their IPv6-mapped form. */
function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

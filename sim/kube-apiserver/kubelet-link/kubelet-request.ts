/** One HTTP/1.1 request on a connection of its own, with every failure in the words of Go's net/http. */
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import { lastRefusal } from '../../../lib/tls/dial.ts'
import { refusalOf } from '../../../lib/tls/refusal.ts'
import type { Headers } from './forwarded-headers.ts'

export interface KubeletRequestOptions {
  socket: Socket
  method: string
  path: string
  headers: Headers
  body?: Readable
}

export type KubeletAnswer =
  | { kind: 'response'; response: IncomingMessage }
  /** 101: from here on the connection belongs to the stream. */
  | { kind: 'upgraded'; response: IncomingMessage; socket: Duplex; head: Buffer }

/** No answer that is HTTP. The message is what Go says of it. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  readonly kind: 'malformed' | 'eof' | 'tls'

  constructor(kind: ExchangeError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** Rejects with an ExchangeError. Redirects are answers like others: nobody follows them. */
export function askKubelet({ socket, method, path, headers, body }: KubeletRequestOptions): Promise<KubeletAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ method, path, headers, setHost: false, createConnection: () => socket })
    if (!('Connection' in headers)) outgoing.removeHeader('Connection')
    outgoing.once('response', (response) => resolve({ kind: 'response', response }))
    outgoing.once('upgrade', (response, upgraded, head) =>
      resolve({ kind: 'upgraded', response, socket: upgraded, head }),
    )
    outgoing.once('error', (error) => {
      socket.destroy()
      reject(exchangeError(error, socket))
    })
    if (body) body.pipe(outgoing)
    else outgoing.end()
  })
}

function exchangeError(error: Error & { code?: string; rawPacket?: Buffer }, socket: Socket): ExchangeError {
  if (error.code?.startsWith('HPE_')) {
    const line = error.rawPacket?.toString('latin1').split(/\r?\n/)[0] ?? ''
    return new ExchangeError('malformed', `malformed HTTP response ${goQuote(line)}`)
  }
  const refusal = lastRefusal(socket) ?? refusalOf(error)
  if (refusal.layer === 'tls-alert') return new ExchangeError('tls', refusal.message)
  return new ExchangeError('eof', 'EOF')
}

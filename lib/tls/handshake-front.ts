/**
 * What stands before OpenSSL at a listener: reads the first bytes of each connection, ends a hello that Go would end with
 * Go's alert and words, hands the others over, and decides about the client's certificates once they are there.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { ALERTS, alertName } from './alerts.ts'
import { answerHello } from './answer-hello.ts'
import type { ClientHello } from './client-hello.ts'
import { clientVerdict } from './client-verdict.ts'
import { HandshakeServers } from './handshake-servers.ts'
import { type FirstBytes, looksLikeHttp, NOT_TLS, readFirstBytes } from './hello-reader.ts'
import type { KeyPair, ListenOptions, TlsConnection } from './listen.ts'
import { endWithAlert, sendOwnAlert } from './own-alert.ts'
import { SentChains } from './peer-chain.ts'
import { endsOf } from './plain.ts'
import { Refusal, refusalOf } from './refusal.ts'

/** net/http's answer to plain HTTP on a TLS port (server.go). */
const HTTP_ON_TLS = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

/** Kubernetes' servers: net/http takes the smallest of its limits, and ReadHeaderTimeout is 32 s (secure_serving.go). */
const HANDSHAKE_TIMEOUT_MS = 32_000

/** One accepted connection until its handshake is over. */
interface Arrival {
  raw: Socket
  ends: { local: string; remote: string }
  timer: NodeJS.Timeout
  hello?: ClientHello
  /** SERVER_TRAFFIC_SECRET_0, at TLS 1.3. */
  secret?: Buffer
  /** As shown by the client, once that is known. */
  peerChain: Buffer[]
  isDecided: boolean
  /** Let in, or refused with somebody's word: what comes after that is the echo. */
  isOver: boolean
}

export class HandshakeFront {
  readonly #options: ListenOptions
  readonly #servers: HandshakeServers
  readonly #chains = new SentChains()
  /** By the ends of the connection, which is all that a TLSSocket shows of the one beneath it. */
  readonly #byEnds = new Map<string, Arrival>()
  readonly #bySocket = new WeakMap<TLSSocket, Arrival>()

  constructor(options: ListenOptions) {
    this.#options = options
    this.#servers = new HandshakeServers(options, {
      keylog: (line, socket) => this.#keylog(line, socket),
      secure: (socket) => this.#secure(socket),
      failed: (error, socket) => this.#failed(error, socket),
    })
  }

  accept(raw: Socket): void {
    const timeoutMs = this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS
    const ends = endsOf(raw)
    const arrival: Arrival = {
      raw,
      ends,
      timer: setTimeout(() => this.#end(arrival, ioError(ends, 'i/o timeout', 'handshake_timeout')), timeoutMs),
      peerChain: [],
      isDecided: false,
      isOver: false,
    }
    const key = endsKey(raw)
    this.#byEnds.set(key, arrival)
    raw.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') this.#end(arrival, ioError(ends, 'connection reset by peer', 'ECONNRESET'))
    })
    raw.once('close', () => {
      clearTimeout(arrival.timer)
      this.#byEnds.delete(key)
      // Whatever the TLS socket has to say of the same end comes first.
      if (!arrival.isOver) setImmediate(() => this.#tell(arrival, new Refusal(undefined, 'EOF', 'EOF')))
    })
    this.#readHello(arrival)
  }

  close(): void {
    this.#servers.close()
    for (const arrival of this.#byEnds.values()) {
      arrival.isOver = true
      arrival.raw.destroy()
    }
  }

  #readHello(arrival: Arrival): void {
    const { raw } = arrival
    const chunks: Buffer[] = []
    let length = 0
    let atLeast = 0
    const onReadable = (): void => {
      for (let chunk = raw.read() as Buffer | null; chunk; chunk = raw.read() as Buffer | null) {
        chunks.push(chunk)
        length += chunk.length
      }
      if (length === 0 || length < atLeast) return
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      chunks.splice(0, chunks.length, bytes)
      const first = readFirstBytes(bytes)
      if (first.kind === 'more') {
        atLeast = first.atLeast
        return
      }
      raw.off('readable', onReadable)
      if (first.kind === 'fault') return this.#refuseBytes(arrival, first, bytes)
      arrival.hello = first.hello
      raw.unshift(bytes)
      this.#handOver(arrival, first.hello)
    }
    raw.on('readable', onReadable)
    raw.once('end', () => {
      if (!arrival.hello) raw.destroy()
    })
  }

  #refuseBytes(arrival: Arrival, fault: Extract<FirstBytes, { kind: 'fault' }>, bytes: Buffer): void {
    const { text, code, alert, refusedBy } = fault
    const isHttp = text === NOT_TLS && this.#options.plainHttp === 'http-400' && looksLikeHttp(bytes)
    const layer = code === 'EOF' ? undefined : code === 'not_tls' ? 'app' : 'tls-alert'
    const words = isHttp ? 'client sent an HTTP request to an HTTPS server' : text
    const details = { ...(alert === undefined ? {} : { alert }), who: refusedBy } as const
    this.#tell(arrival, new Refusal(layer, code, words, details))
    endWithAlert(arrival.raw, isHttp ? HTTP_ON_TLS : alert)
  }

  #handOver(arrival: Arrival, hello: ClientHello): void {
    const { keyPair, clientCertificates: asks, policy, alpn } = this.#options
    let pair: KeyPair | undefined
    const servingKey = () => {
      pair = keyPair(hello.serverName)
      return pair && this.#servers.servingKey(pair)
    }
    const answer = answerHello(hello, { policy, alpn, servingKey })
    if (!answer.ok || !pair) {
      const { alert, text, version } = answer as Extract<typeof answer, { ok: false }>
      return this.#refuseHello(arrival, alert, text, version)
    }
    const caPem = asks.mode === 'none' ? undefined : asks.caPem?.()
    try {
      const server = this.#servers.for({ pair, caPem, negotiatesAlpn: answer.alpn !== undefined })
      server.emit('connection', arrival.raw)
    } catch (error) {
      // A pair that Go would serve and OpenSSL will not, such as an RSA key of 512 bits.
      this.#refuseHello(arrival, ALERTS.internal_error, `tls: ${(error as Error).message}`, answer.version)
    }
  }

  #refuseHello(arrival: Arrival, alert: number, text: string, version: number | undefined): void {
    this.#tell(arrival, new Refusal('tls-alert', alertName(alert), text, { alert, who: 'us' }))
    endWithAlert(arrival.raw, alert, version)
  }

  #keylog(line: Buffer, socket: TLSSocket): void {
    const arrival = this.#arrivalOf(socket)
    if (!arrival) return
    const text = line.toString('latin1')
    const label = text.slice(0, text.indexOf(' '))
    if (label === 'SERVER_TRAFFIC_SECRET_0') {
      arrival.secret = Buffer.from(text.slice(text.lastIndexOf(' ') + 1).trimEnd(), 'hex')
    }
    // Below TLS 1.3 the master secret is logged when this end has written its change of cipher and sent nothing of it yet,
    // in a resumed session too: there the client still reads alerts in the clear.
    if (label === 'CLIENT_RANDOM' && !arrival.isDecided) this.#refuse(arrival, socket)
  }

  #secure(socket: TLSSocket): void {
    const arrival = this.#arrivalOf(socket)
    if (!arrival) return void socket.destroy()
    clearTimeout(arrival.timer)
    socket.on('error', () => {})
    if (!arrival.isDecided) this.#refuse(arrival, socket)
    if (arrival.isOver) return
    arrival.isOver = true
    this.#options.onConnection(socket, this.#facts(arrival, socket))
  }

  #failed(error: Error, socket: TLSSocket): void {
    const arrival = this.#arrivalOf(socket)
    if (arrival) this.#end(arrival, refusalOf(error, { side: 'server' }))
    else socket.destroy()
  }

  /** Decides about the client's certificates, once for each connection. */
  #refuse(arrival: Arrival, socket: TLSSocket): void {
    arrival.isDecided = true
    const { clientCertificates: asks } = this.#options
    if (asks.mode === 'none') return
    arrival.peerChain = this.#chains.of(socket)
    const verdict = clientVerdict(asks, this.#facts(arrival, socket), socket)
    if (!verdict) return
    const { alert, code, text } = verdict
    sendOwnAlert(arrival.raw, socket, alert, arrival.secret)
    this.#tell(arrival, new Refusal('tls-alert', code, text, { alert, who: 'us' }), socket)
  }

  #end(arrival: Arrival, refusal: Refusal): void {
    this.#tell(arrival, refusal)
    arrival.raw.destroy()
  }

  #tell(arrival: Arrival, refusal: Refusal, socket?: TLSSocket): void {
    clearTimeout(arrival.timer)
    if (arrival.isOver) return
    arrival.isOver = true
    this.#options.onRefusal?.(refusal, this.#facts(arrival, socket))
  }

  #facts({ ends, hello, peerChain }: Arrival, socket?: TLSSocket): TlsConnection {
    return {
      ...ends,
      ...(hello?.serverName === undefined ? {} : { serverName: hello.serverName }),
      ...(socket?.alpnProtocol ? { alpn: socket.alpnProtocol } : {}),
      peerChain,
    }
  }

  #arrivalOf(socket: TLSSocket): Arrival | undefined {
    let arrival = this.#bySocket.get(socket)
    if (!arrival) {
      arrival = this.#byEnds.get(endsKey(socket))
      if (arrival) this.#bySocket.set(socket, arrival)
    }
    return arrival
  }
}

function endsKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`
}

/** Go's net.OpError of a read that came to nothing. */
function ioError({ local, remote }: Arrival['ends'], reason: string, code: string): Refusal {
  const words = reason === 'i/o timeout' ? reason : `read: ${reason}`
  return new Refusal(undefined, code, `read tcp ${local}->${remote}: ${words}`)
}

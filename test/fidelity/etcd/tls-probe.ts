/** One recorded connection, made anew: a client as the row describes it, and what it saw. */
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls'
import { lastRefusal, dialTls } from '../../../lib/tls/dial.ts'
import { refusalOf, type Refusal } from '../../../lib/tls/refusal.ts'
import { clientHello } from './client-hello.ts'
import type { RecordedPki } from './recorded-pki.ts'

export interface TlsRow {
  id: string
  flagSet: string
  request: {
    credential?: string
    /** The client port where none is named. */
    port?: string
    tls: string
    alpn?: string[]
    ciphers?: string[]
    curves?: string[]
    server_name?: string
    source?: string
    /** A file whose CAs the client trusts; it trusts everybody without. */
    trust?: string
    raw?: string
    http?: {
      method: string
      path: string
      version?: string
      body?: string
      grpc?: string
      headers?: Record<string, string>
    }
  }
  answer: TlsAnswer & { log: LoggedRefusal[] }
}

export interface TlsAnswer {
  tls?: {
    handshake: string
    alert?: number
    at?: string
    close?: string
    version?: string
    cipher?: string
    alpn?: string
  }
  status?: number
  cors?: boolean
  grpcStatus?: number
  raw?: string
}

export interface LoggedRefusal {
  error: string
  'server-name'?: string
  'ip-addresses'?: string[]
  'dns-names'?: string[]
}

/** By name, and by number where OpenSSL has them no more. */
const SUITES: Readonly<Record<string, string | number>> = {
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 0xc012,
  TLS_ECDHE_RSA_WITH_RC4_128_SHA: 0xc011,
}

const GO_SUITES_13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** Go's client offers these at 1.2, in this order, as far as they matter here. */
const GO_SUITES_12 = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-SHA',
]

export class Probe {
  readonly #row: TlsRow
  readonly #port: number
  readonly #pki: RecordedPki
  /** `ip:port` of this end. */
  local = ''

  constructor(row: TlsRow, port: number, pki: RecordedPki) {
    this.#row = row
    this.#port = port
    this.#pki = pki
  }

  async run(): Promise<TlsAnswer> {
    const { request } = this.#row
    const source = request.source ?? '127.0.0.1'
    const raw = connectTcp({ host: '127.0.0.1', port: this.#port, localAddress: source })
    await once(raw, 'connect')
    raw.on('error', () => {})
    this.local = `${source}:${raw.localPort}`
    try {
      if (request.tls === 'none') return request.http ? await this.#ask(raw, {}) : await this.#speak(raw)
      const numbers = (request.ciphers ?? []).map((name) => SUITES[name]).filter((suite) => typeof suite === 'number')
      if (numbers.length > 0) return await alertOf(raw, clientHello(numbers))
      if (request.trust) return await this.#mistrust(raw)
      return await this.#overTls(raw)
    } finally {
      raw.destroy()
    }
  }

  /** A client that verifies. Ours speaks Go's alerts. */
  async #mistrust(raw: Socket): Promise<TlsAnswer> {
    raw.destroy()
    const { credential, trust, server_name, tls } = this.#row.request
    const version: SecureVersion = tls === '1.2' ? 'TLSv1.2' : 'TLSv1.3'
    try {
      const socket = await dialTls({
        address: '127.0.0.1',
        port: this.#port,
        serverName: server_name ?? '',
        caPem: this.#pki.pem(trust!),
        policy: { minVersion: 'TLSv1.2', maxVersion: version },
        ...(credential ? { keyPair: this.#pki.credential(credential) } : {}),
      })
      this.local = `127.0.0.1:${socket.localPort}`
      return await this.#talk(socket)
    } catch (error) {
      this.local = (error as Refusal).details.local ?? ''
      return { tls: { handshake: 'failed' } }
    }
  }

  async #overTls(raw: Socket): Promise<TlsAnswer> {
    const { credential, tls, alpn, ciphers, curves, server_name } = this.#row.request
    const pair = credential ? this.#pki.credential(credential) : undefined
    const [lowest, highest] = versionsOf(tls)
    const suites = ciphers?.map((name) => String(SUITES[name])) ?? GO_SUITES_12
    const socket = connectTls({
      socket: raw,
      rejectUnauthorized: false,
      minVersion: lowest,
      maxVersion: highest,
      ciphers: `${[...GO_SUITES_13, ...suites].join(':')}${lowest < 'TLSv1.2' ? ':@SECLEVEL=0' : ''}`,
      ...(curves ? { ecdhCurve: curves.join(':') } : {}),
      ...(pair ? { cert: pair.cert, key: pair.key } : {}),
      ...(alpn ? { ALPNProtocols: alpn } : {}),
      ...(server_name ? { servername: server_name } : {}),
    })
    return new Promise((resolve) => {
      socket.once('error', (error) => resolve(failed(error)))
      socket.once('close', () => resolve({ tls: { handshake: 'failed' } }))
      socket.once('secureConnect', () => resolve(this.#talk(socket)))
    })
  }

  async #talk(socket: TLSSocket): Promise<TlsAnswer> {
    const { raw, http } = this.#row.request
    const version = socket.getProtocol()?.replace('TLSv', '') ?? ''
    const alpn = socket.alpnProtocol || undefined
    const facts = {
      handshake: 'completed',
      version,
      cipher: socket.getCipher().standardName,
      ...(alpn ? { alpn } : {}),
    }
    if (raw !== undefined) {
      const reply = await exchange(socket, raw)
      return { tls: { ...facts, at: 'read', close: 'closed' }, raw: reply.text }
    }
    if (http?.version === '2' && !alpn) {
      await exchange(socket, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
      return { tls: { ...facts, at: 'read', close: 'closed' } }
    }
    return this.#ask(socket, { tls: facts })
  }

  async #ask(socket: Socket, { tls }: TlsAnswer): Promise<TlsAnswer> {
    const { http = { method: 'GET', path: '/version' } } = this.#row.request
    const facts = tls ? { tls } : {}
    if ('version' in http && http.version === '2') {
      const ends: Error[] = []
      socket.once('error', (error) => ends.push(lastRefusal(socket) ?? error))
      const answer = await askHttp2(socket, http, (error) => ends.push(error))
      const [end] = answer.status === undefined ? ends : []
      const alert = end && refusalOf(end).details.alert
      if (alert !== undefined) return { tls: { ...tls!, at: 'read', alert } }
      if (answer.status !== undefined) return { ...facts, ...answer }
      return { tls: { ...(tls ?? { handshake: 'none' }), at: 'read', close: 'closed' } }
    }
    const head = `${http.method} ${http.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`
    const body = 'body' in http ? (http.body ?? '') : ''
    const { text, error } = await exchange(socket, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)
    const alert = error && refusalOf(error).details.alert
    if (alert !== undefined) return { tls: { ...tls!, at: 'read', alert } }
    if (text === '') return { tls: { ...tls!, at: 'read', close: 'closed' } }
    const cors = /^access-control-allow-origin: /im.test(text)
    return { ...facts, status: Number(text.split(' ')[1]), cors }
  }

  /** Bytes that are no TLS. An answer of nothing but silence counts as `open` once the member has served another. */
  async #speak(raw: Socket): Promise<TlsAnswer> {
    const silent = this.#row.answer.tls?.close === 'open'
    let said = ''
    const ended = exchange(raw, this.#row.request.raw ?? '').then(({ text }) => {
      said = text
      return 'closed'
    })
    const other = silent ? aliveElsewhere(this.#port).then(() => 'open') : ended
    const close = await Promise.race([ended, other])
    return { tls: { handshake: 'none', at: 'read', close }, ...(said === '' ? {} : { raw: said }) }
  }
}

/** A TLS connection that comes and goes while the first one waits. */
async function aliveElsewhere(port: number): Promise<void> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  socket.on('error', () => {})
  await new Promise((resolve) => void socket.once('close', resolve))
}

async function exchange(socket: Socket, text: string): Promise<{ text: string; error?: Error }> {
  let reply = ''
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => (reply += chunk.toString('latin1')))
    socket.on('error', (error) => resolve({ text: reply, error: lastRefusal(socket) ?? error }))
    socket.on('end', () => resolve({ text: reply }))
    socket.on('close', () => resolve({ text: reply }))
    socket.write(text, 'latin1')
  })
}

async function alertOf(raw: Socket, hello: Buffer): Promise<TlsAnswer> {
  const { text } = await exchange(raw, hello.toString('latin1'))
  const record = Buffer.from(text, 'latin1')
  return record[0] === 21 ? { tls: { handshake: 'failed', at: 'handshake', alert: record[6]! } } : {}
}

async function askHttp2(
  socket: Socket,
  { method, path, grpc, body = '', headers = {} }: NonNullable<TlsRow['request']['http']>,
  lost: (error: Error) => void,
): Promise<TlsAnswer> {
  const session = connectHttp2('http://x', { createConnection: () => socket })
  session.on('error', lost)
  const stream = session.request({
    ':method': method,
    ':path': path,
    ...headers,
    ...(grpc ? { 'content-type': 'application/grpc', te: 'trailers' } : {}),
  })
  stream.on('error', () => {})
  let grpcStatus: unknown
  let answer: TlsAnswer = {}
  stream.on('response', (headers) => {
    answer = { status: Number(headers[':status']), cors: headers['access-control-allow-origin'] !== undefined }
    grpcStatus = headers['grpc-status']
  })
  stream.on('trailers', (headers) => (grpcStatus = headers['grpc-status']))
  stream.resume()
  const message = Buffer.from(grpc ?? '', 'hex')
  if (grpc === undefined) stream.end(body)
  else stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]))
  await new Promise((resolve) => void stream.once('close', resolve))
  session.destroy()
  return grpcStatus === undefined ? answer : { ...answer, grpcStatus: Number(grpcStatus) }
}

function failed(error: Error): TlsAnswer {
  const { alert } = refusalOf(error).details
  return { tls: { handshake: 'failed', at: 'handshake', ...(alert === undefined ? {} : { alert }) } }
}

function versionsOf(text: string): [SecureVersion, SecureVersion] {
  const [lowest = '1.2', highest = lowest] = text.split('-')
  const name = (version: string): SecureVersion => (version === '1.0' ? 'TLSv1' : (`TLSv${version}` as SecureVersion))
  // A client of 1.3 may take 1.2 too: only the first of the recorded ones says otherwise.
  return [name(lowest), name(highest)]
}

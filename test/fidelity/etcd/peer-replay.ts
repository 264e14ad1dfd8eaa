/** Puts the recorded requests of peer.json to member m1's peer port: what the stranger saw, and what the member logged. */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { refusalOf } from '../../../lib/tls/refusal.ts'
import { decodeMessage, encodeMessage } from '../../../sim/etcd/peer/raft-message.ts'
import type { LogLine } from './member-process.ts'
import { RECORDED_IDS, type MemberName, type PeerCluster } from './peer-cluster.ts'

export interface PeerRow {
  id: string
  group: string
  request: {
    credential: string
    source?: string
    http: {
      method: string
      path: string
      headers?: Record<string, string>
      body?: string
      body_hex?: string
      read_ms?: number
    }
  }
  answer: {
    tls: { alert?: number; close?: string }
    http?: { status: number; headers: Record<string, string>; body: string; note?: string }
    log: { error: string; 'dns-names'?: string[]; 'ip-addresses'?: string[] }[]
    otherLog: string[]
  }
}

/** Headers that say when, and how long a connection lives. */
const PASSING = new Set(['date', 'connection', 'keep-alive'])
const READ_MS = 3000

export class PeerReplay {
  readonly #cluster: PeerCluster

  constructor(cluster: PeerCluster) {
    this.#cluster = cluster
  }

  /** Undefined where the answer is the recorded one. */
  async replay(row: PeerRow): Promise<{ expected: string; got: string } | undefined> {
    const { log } = this.#cluster.member('m1').process
    const before = log.length
    const { seen, local } = await this.#ask(row)
    const { tls, http, log: refusals, otherLog } = row.answer
    const process = this.#cluster.member('m1').process
    const refusal = refusals[0] && (await process.lineAbout(local, before).catch(() => undefined))
    const unlogged = (): string[] => otherLog.filter((line) => !this.isLogged(line, log.slice(before)))
    // A line may come after the answer.
    await process.until(() => (unlogged().length === 0 ? true : undefined), 'log lines').catch(() => undefined)
    const expected = {
      tls: { ...(tls.alert ? { alert: tls.alert } : {}), ...(tls.close ? { close: 'close_notify' } : {}) },
      ...(http ? { http: this.#expectedHttp(http) } : {}),
      ...(refusals[0] ? { refusal: masked(refusals[0].error) } : {}),
      unlogged: [],
    }
    const got = {
      ...seen,
      ...(refusal ? { refusal: masked(String(refusal['error'])) } : {}),
      unlogged: unlogged(),
    }
    const [one, other] = [JSON.stringify(expected), JSON.stringify(got)]
    return one === other ? undefined : { expected: one, got: other }
  }

  /** Whether `warn: what | error: why` is among these lines. */
  isLogged(line: string, log: readonly LogLine[]): boolean {
    const [, level, text = ''] = /^(\w+): (.*)$/.exec(this.#fill(line)) ?? []
    const [msg, error] = text.split(' | error: ')
    return log.some(
      (each) => each.level === level && each.msg === msg && (error === undefined || each['error'] === error),
    )
  }

  #expectedHttp({ status, headers, body, note }: NonNullable<PeerRow['answer']['http']>) {
    const text = this.#fill(body)
    const kept = Object.entries(headers).filter(([name]) => !PASSING.has(name) && name !== 'content-length')
    // A note is about a body that goes on or breaks off.
    const ends = note === undefined
    return {
      status,
      headers: sorted(kept.map(([name, value]) => [name, this.#fill(value)])),
      body: maskedBody(text),
      ends,
    }
  }

  async #ask(row: PeerRow): Promise<{ seen: object; local: string }> {
    const { credential, source = '127.0.0.1', http } = row.request
    const [host, port] = this.#cluster.member('m1').peer.split(':') as [string, string]
    const raw = connectTcp({ host, port: Number(port), localAddress: source })
    await once(raw, 'connect')
    const local = `${source}:${raw.localPort}`
    const pair = credential === 'none' ? {} : this.#cluster.pki.credential(credential)
    const socket = connectTls({ socket: raw, rejectUnauthorized: false, minVersion: 'TLSv1.3', ...pair })
    try {
      return { seen: await this.#talk(socket, http), local }
    } finally {
      socket.destroy()
    }
  }

  async #talk(socket: TLSSocket, http: PeerRow['request']['http']): Promise<object> {
    const pieces: Buffer[] = []
    const ended = new Promise<{ alert?: number; close?: string }>((resolve) => {
      socket.on('data', (piece: Buffer) => {
        pieces.push(piece)
        if (isWhole(Buffer.concat(pieces))) resolve({})
      })
      socket.once('error', (error) => {
        const { alert } = refusalOf(error).details
        resolve(alert === undefined ? { close: String(error) } : { alert })
      })
      socket.once('end', () => resolve(pieces.length > 0 ? {} : { close: 'close_notify' }))
      setTimeout(() => resolve({}), http.read_ms ?? READ_MS).unref()
    })
    await Promise.race([once(socket, 'secureConnect'), ended])
    socket.write(this.#requestOf(http))
    const tls = await ended
    const bytes = Buffer.concat(pieces)
    return bytes.length === 0 ? { tls } : { tls, http: parsed(bytes, http.path.startsWith('/raft/stream/')) }
  }

  #requestOf({ method, path, headers = {}, body = '', body_hex }: PeerRow['request']['http']): Buffer {
    const content = body_hex === undefined ? Buffer.from(body) : this.#withIds(Buffer.from(body_hex, 'hex'))
    const lines = [
      `${method} ${this.#fill(path)} HTTP/1.1`,
      `Host: ${this.#cluster.member('m1').peer}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${this.#fill(value)}`),
      ...(content.length > 0 || method === 'POST' ? [`Content-Length: ${content.length}`] : []),
    ]
    return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), content])
  }

  /** Recorded messages name the members that were there then. */
  #withIds(bytes: Buffer): Buffer {
    const isFramed = bytes.length > 8 && bytes.readBigUInt64BE(0) === BigInt(bytes.length - 8)
    let message
    try {
      message = decodeMessage(isFramed ? bytes.subarray(8) : bytes)
    } catch {
      return bytes
    }
    const now = (id: bigint): bigint => {
      const name = (['m1', 'm2', 'm3'] as MemberName[]).find((each) => RECORDED_IDS[each] === id)
      return name ? this.#cluster.member(name).id : id
    }
    const mapped = encodeMessage({ ...message, to: now(message.to), from: now(message.from) })
    if (!isFramed) return mapped
    const frame = Buffer.alloc(8)
    frame.writeBigUInt64BE(BigInt(mapped.length))
    return Buffer.concat([frame, mapped])
  }

  #fill(text: string): string {
    const { clusterId, members } = this.#cluster
    let filled = text.replaceAll('$cluster_hex', clusterId.toString(16))
    for (const { name, id, peer, client } of members.values()) {
      filled = filled
        .replaceAll(`$${name}_hex`, id.toString(16))
        .replaceAll(`$${name}_id`, String(id))
        .replaceAll(`$${name}_peer`, peer)
        .replaceAll(`$${name}_client`, client)
    }
    const m1 = members.get('m1')!
    return (
      filled
        .replaceAll('$peer', m1.peer)
        .replaceAll('$client', m1.client)
        // A removed member's id is the recorded one.
        .replaceAll(RECORDED_IDS.m3.toString(16), members.get('m3')!.id.toString(16))
    )
  }
}

function isWhole(bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  const at = text.indexOf('\r\n\r\n')
  if (at === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, at))?.[1]
  if (length !== undefined) return bytes.length >= at + 4 + Number(length)
  return / 204 /.test(text.slice(0, text.indexOf('\r\n')))
}

/** Of a stream that was let in, the messages are the members' own. */
function parsed(bytes: Buffer, isStream: boolean) {
  const text = bytes.toString('utf8')
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line): [string, string] => {
    const at = line.indexOf(': ')
    return [line.slice(0, at).toLowerCase(), line.slice(at + 2)]
  })
  const isChunked = headers.some(([name, value]) => name === 'transfer-encoding' && value === 'chunked')
  const content = rest.join('\r\n\r\n')
  const body = isChunked
    ? content.replaceAll(/[0-9a-f]+\r\n([\s\S]*?)\r\n/g, (_, chunk: string) => chunk.replaceAll('\0', ''))
    : content
  const kept = headers.filter(([name]) => !PASSING.has(name) && name !== 'content-length')
  const ends = !(isChunked && !content.endsWith('0\r\n\r\n'))
  return {
    status: Number(first.split(' ')[1]),
    headers: sorted(kept),
    body: maskedBody(isChunked && isStream ? '' : body),
    ends,
  }
}

function sorted(headers: readonly [string, string][]): Record<string, string> {
  return Object.fromEntries([...headers].sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** What differs from run to run. */
function maskedBody(body: string): string {
  return inOrder(body)
    .replace(/"Now":"[^"]*"/, '"Now":"$time"')
    .replace(/"header":\{[^}]*\}/, '"header":{}')
    .replace(/"hash":("\$hash"|\d+)/, '"hash":0')
    .replace(/"hash_revision":("\$hash_revision"|\d+)/, '"hash_revision":0')
    .replace(/"cluster_id":.*?,"hash"/, '"hash"')
}

/** Members are listed by their ids, which ports decide. */
function inOrder(body: string): string {
  if (!body.startsWith('[{')) return body
  return `[${body
    .trimEnd()
    .slice(1, -1)
    .split(/(?<=\}),/)
    .sort()
    .join()}]\n`
}

function masked(error: string): string {
  return error
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)/g, '$time')
    .replaceAll(/lookup (\S+) on \S+:/g, 'lookup $1 on $resolver:')
}

/** Puts the recorded HTTP requests of paths.json to our member: every path of its ports. */
import { request as askHttp, type IncomingMessage } from 'node:http'
import { request as askHttps } from 'node:https'
import type { JsonValue } from '../../../lib/etcd/proto-json.ts'
import { clusterIdOf, memberIdOf } from '../../../sim/etcd/cluster/members.ts'
import { hexOf } from '../../../sim/etcd/raft/message.ts'
import { flagSet, MemberPlace, MemberProcess } from './member-process.ts'
import { RecordedPki } from './recorded-pki.ts'
import { same } from './replay-target.ts'

export interface PathRow {
  id: string
  flagSet: string
  port: string
  credential?: string
  /** Version, where it is asked over TLS. */
  tls?: '1.2' | '1.3'
  request: { method: string; path: string; headers?: Record<string, string>; body?: string; body_hex?: string }
  /** `cors`: the headers that allow every origin are there as well. */
  answer: { status: number; cors?: boolean; headers: Record<string, string>; body: string }
}

/** What a client and a server add by themselves. */
const OWN = new Set(['date', 'connection', 'keep-alive', 'content-length'])

const EVERYBODY: Readonly<Record<string, string>> = {
  'access-control-allow-headers': 'accept, content-type, authorization',
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
}

interface Running {
  place: MemberPlace
  member: MemberProcess
  pki: RecordedPki
}

export class PathsReplay {
  readonly #members = new Map<string, Promise<Running>>()

  async replay(row: PathRow): Promise<{ expected: string; got: string } | undefined> {
    this.#members.set(row.flagSet, this.#members.get(row.flagSet) ?? start(row.flagSet))
    const { answer } = row
    const { place, pki } = await this.#members.get(row.flagSet)!
    const { cluster, member } = idsOf(place, row.flagSet)
    const filled = (text: string): string =>
      text
        .replaceAll(/\$(peer|client)\b/g, (_, port: string) => place.fill(`{${port}}`))
        .replaceAll('$cluster_hex', cluster)
        .replaceAll('$m1_hex', member)
        .replaceAll('$m1_id', String(BigInt(`0x${member}`)))
    const got = await ask(row, place.ports.get(row.port)!, pki, filled)
    const named = Object.entries({ ...answer.headers, ...(answer.cors ? EVERYBODY : {}) })
    const headers = Object.fromEntries(named.map(([name, value]) => [name, filled(value)]))
    const wanted = { ...answer, headers, body: filled(answer.body) }
    const agrees =
      got.status === wanted.status && same(wanted.headers, got.headers) && same(bodyOf(wanted.body), bodyOf(got.body))
    return agrees ? undefined : { expected: JSON.stringify(wanted), got: JSON.stringify(got) }
  }

  async end(): Promise<void> {
    for (const started of this.#members.values()) {
      const { member, place } = await started
      await member.process.kill()
      place.remove()
    }
  }
}

const ADVERTISED = '--initial-advertise-peer-urls='

/** In hexadecimal: a member's id is made of its peer URLs. */
function idsOf(place: MemberPlace, set: string): { cluster: string; member: string } {
  const url = flagSet(set)
    .find((flag) => flag.startsWith(ADVERTISED))!
    .slice(ADVERTISED.length)
  const id = memberIdOf([place.fill(url)], 'etcd-cluster')
  return { cluster: hexOf(clusterIdOf([id])), member: hexOf(id) }
}

async function start(name: string): Promise<Running> {
  const place = await MemberPlace.create()
  const pki = new RecordedPki(place.pki)
  for (const each of ['server', 'peer', 'server-serverauth', 'healthcheck-client']) pki.credential(each)
  await pki.writeRevocationLists()
  const member = new MemberProcess(place, flagSet(name))
  if (!(await member.serves())) throw new Error(`flag set ${name}: ${member.process.lastWords}`)
  return { place, member, pki }
}

async function ask(
  { request, credential, tls }: PathRow,
  port: number,
  pki: RecordedPki,
  filled: (text: string) => string,
): Promise<PathRow['answer']> {
  const { method, path, headers: given = {}, body: text = '', body_hex } = request
  const body = body_hex === undefined ? Buffer.from(text) : Buffer.from(body_hex, 'hex')
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, filled(value)]))
  const length = body.length === 0 ? {} : { 'content-length': body.length }
  const options = { host: '127.0.0.1', port, method, path, headers: { ...headers, ...length }, agent: false as const }
  const maxVersion = tls === '1.2' ? ('TLSv1.2' as const) : ('TLSv1.3' as const)
  const secure = { rejectUnauthorized: false, maxVersion, ...(credential ? pki.credential(credential) : {}) }
  return new Promise((resolve, reject) => {
    const asked = tls ? askHttps({ ...options, ...secure }) : askHttp(options)
    asked.on('error', reject)
    asked.on('response', (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('error', () => {})
      // A body may also break off.
      response.on('close', () => {
        const kept = Object.entries(response.headers).filter(([name]) => !OWN.has(name))
        const named = Object.fromEntries(kept.map(([name, value]) => [name, String(value)]))
        resolve({ status: response.statusCode ?? 0, headers: named, body: text })
      })
    })
    asked.end(body)
  })
}

/** JSON, or a text; `$metrics` and the like are met by any. */
function bodyOf(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return text
  }
}

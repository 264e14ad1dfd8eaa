/**
 * Puts recorded requests to a running kube-apiserver, in their order, over a connection of the identity that asked. The world
 * is that of the recordings: state.json, written as system:masters, and what kube-controller-manager added to it.
 */
import { KubeClient } from '../../../lib/kube/client.ts'
import type { KubeReply } from '../../../lib/kube/client.ts'
import { ApiWorld, type ClientName } from '../../sim/kube-apiserver/api-world.ts'
import { withoutUnserved } from './unserved.ts'
import { expected } from './expected.ts'
import { withRequests } from './recorded-requests.ts'
import { recorded } from './recorded-world.ts'
import type { RecordedPolicy } from './recorded-world.ts'

export interface ServerRow {
  id: string
  setup?: string
  /** `admin` where it is absent. */
  identity?: string
  method: string
  path: string
  headers?: [name: string, value: string][]
  body?: unknown
  answer: { status: number; headers?: Record<string, string>; body?: unknown; text?: string; events?: unknown[] }
}

interface StateStep {
  how: 'POST' | 'STATUS'
  path: string
  object: { kind: string; type?: string; metadata?: { name?: string } }
}

interface CertificateRow {
  kind: string
  name: string
  subject?: [attribute: string, value: string][]
}

const BOOTSTRAP_TOKEN = 'abcdef.0123456789abcdef'

export class ServerReplay {
  readonly world: ApiWorld
  readonly #clients = new Map<string, Promise<KubeClient>>()

  private constructor(world: ApiWorld) {
    this.world = world
  }

  /** `changes` to the flags, once the world's folder is there. */
  static async start(
    changes: (world: ApiWorld) => Record<string, string | undefined> = () => ({}),
    /** Changes the text of what is written of the recorded state. */
    placed: (text: string) => string = (text) => text,
  ): Promise<ServerReplay> {
    const world = await ApiWorld.create()
    world.startEtcd()
    await world.startServer({
      'advertise-address': '192.168.99.10',
      'encryption-provider-config': undefined,
      'requestheader-client-ca-file': undefined,
      ...changes(world),
    })
    const replay = new ServerReplay(world)
    await replay.#writeState(placed)
    return replay
  }

  async end(): Promise<void> {
    await this.world.end()
  }

  /** `undefined` where we answer as the row does. */
  async replay(row: ServerRow): Promise<{ expected: string; got: string } | undefined> {
    const { answer } = row
    const reply = await this.ask(row)
    const text = reply.text.replace(new RegExp(`\\b${this.world.port}\\b`, 'g'), '6443')
    const got = answerOf({ ...reply, text }, answer)
    const recordedAnswer = JSON.parse(withRequests(JSON.stringify(answer))) as typeof answer
    const wanted = row.path.startsWith('/api') ? withoutUnserved(recordedAnswer) : recordedAnswer
    return row.path.includes('selfsubjectrulesreviews')
      ? expected(inOrder(wanted), inOrder(got))
      : expected(wanted, got)
  }

  async client(identity: string): Promise<KubeClient> {
    const known = this.#clients.get(identity)
    if (known) return known
    const made = this.#connect(identity)
    this.#clients.set(identity, made)
    return made
  }

  async #connect(identity: string): Promise<KubeClient> {
    if (identity === 'anonymous') return this.world.client()
    if (identity === 'token:bootstrap') return this.world.tokenClient(BOOTSTRAP_TOKEN)
    if (identity === 'token:sa-app') return this.world.tokenClient(await this.token('team-a', 'app', 'web-1'))
    return this.world.client(this.nameIn(identity))
  }

  /** What a certificate that is known by that name says. */
  nameIn(identity: string): ClientName {
    // as good as any other certificate that is refused
    if (identity === 'expired') return { commonName: 'kubernetes-admin', foreign: true }
    const row = recorded<CertificateRow>('credentials.json').find(
      (each) => each.kind === 'certificate' && each.name === identity,
    )
    if (!row?.subject) throw new Error(`[credential_unknown] ${identity}: no such certificate`)
    const values = (attribute: string): string[] =>
      (row.subject ?? []).filter(([each]) => each === attribute).map(([, value]) => value)
    return { commonName: values('CN')[0] ?? '', organizations: values('O') }
  }

  async token(namespace: string, account: string, pod?: string): Promise<string> {
    const spec = pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod } }
    const masters = await this.client('super-admin')
    const made = await masters.create(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, { spec })
    return (made['status'] as { token: string }).token
  }

  async ask({ identity = 'admin', method, path, headers = [], body }: Omit<ServerRow, 'answer'>): Promise<KubeReply> {
    const client = await this.client(identity)
    const named = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
    const { 'content-type': contentType, ...others } = named
    return client.request({
      method,
      path: await this.#expand(path),
      headers: { accept: 'application/json', ...others },
      ...(body !== undefined && { body: await this.#expandBody(body), contentType: contentType ?? 'application/json' }),
    })
  }

  async #expandBody(body: unknown): Promise<string> {
    const approved = /^\{\{approved-csr:(.*)\}\}$/.exec(String(body))
    if (approved) return this.#approved(approved[1] ?? '')
    return this.#expand(typeof body === 'string' ? body : JSON.stringify(body))
  }

  async #approved(name: string): Promise<string> {
    const masters = await this.client('super-admin')
    const csr = await masters.get(`/apis/certificates.k8s.io/v1/certificatesigningrequests/${name}`)
    const conditions = [{ type: 'Approved', status: 'True', reason: 'AutoApproved', message: 'm' }]
    return JSON.stringify({ ...csr, status: { conditions } })
  }

  async #expand(text: string): Promise<string> {
    let expanded = withRequests(text).replace(/\{\{padding:(\d+)\}\}/g, (_, count: string) => 'a'.repeat(Number(count)))
    for (const found of expanded.match(/\{\{[^}]*\}\}/g) ?? []) {
      expanded = expanded.replaceAll(found, await this.#placeholder(found.slice(2, -2)))
    }
    return expanded
  }

  async #placeholder(said: string): Promise<string> {
    const kind = said.slice(0, said.indexOf(':'))
    const what = said.slice(kind.length + 1)
    const masters = await this.client('super-admin')
    if (kind === 'continue') return String((await masters.get(what)).metadata['continue'] ?? '')
    if (kind === 'token') return this.token('team-a', 'app', 'web-1')
    if (kind === 'certificate') return Buffer.from(await this.world.clientCertificate('alice')).toString('base64')
    if (kind !== 'uid') throw new Error(`[placeholder_unknown] ${said}`)
    const [resource = '', ...rest] = what.split('/')
    const path = rest.length === 2 ? `namespaces/${rest[0]}/${resource}/${rest[1]}` : `${resource}/${rest[0]}`
    return (await masters.get(`/api/v1/${path}`)).metadata.uid ?? ''
  }

  async #writeState(placed: (text: string) => string): Promise<void> {
    const masters = await this.client('super-admin')
    for (const { setup, object } of recorded<RecordedPolicy>('bootstrap-rbac.json')) {
      if (setup !== 'with-controller-manager' || object.kind !== 'ClusterRole' || !('rules' in object)) continue
      const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${object.metadata.name}`
      await masters.patch(path, { rules: object['rules'] })
    }
    for (const { how, path, object } of recorded<StateStep>('state.json')) {
      if (path.includes('/resourceslices')) continue
      const sent = JSON.parse(placed(await this.#expand(JSON.stringify(object)))) as StateStep['object']
      if (how === 'POST') await masters.create(path, sent)
      else {
        const current = await masters.get(path)
        await masters.update(`${path}/status`, { ...current, status: { ...(current['status'] as object), ...sent } })
      }
      if (object.type !== 'kubernetes.io/service-account-token') continue
      // kube-controller-manager's token controller fills it
      const filled = { 'ca.crt': 'eA==', namespace: 'eA==', token: 'eA==' }
      await masters.patch(`${path}/${object.metadata?.name}`, { data: filled })
    }
  }
}

/** The real server gives rules in no order; the recorded ones are sorted. */
function inOrder(answer: ServerRow['answer']): unknown {
  const { status } = answer.body as { status: Record<string, unknown> }
  const sorted = Object.entries(status).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map((item) => JSON.stringify(item)).sort() : value,
  ])
  return { ...answer, body: { ...(answer.body as object), status: Object.fromEntries(sorted) as object } }
}

function answerOf(reply: KubeReply, { headers = {}, events }: ServerRow['answer']): ServerRow['answer'] {
  const told = Object.fromEntries(
    Object.keys(headers).map((name) => {
      const value = reply.headers[name.toLowerCase()]
      return [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]
    }),
  )
  const { status, text } = reply
  const found = { status, ...(Object.keys(told).length > 0 && { headers: told }) }
  if (events) return { ...found, events: text.split('\n').filter(Boolean).map(parsed) }
  const body = parsed(text)
  if (body !== undefined) return { ...found, body }
  return text === '' ? found : { ...found, text }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

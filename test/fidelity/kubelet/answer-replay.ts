/** Puts the recorded requests to our kubelet, one connection each, and says what came back in the recording's words. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { KubeletWorld, recordedPods, type RunningKubelet } from '../../sim/kubelet/kubelet-world.ts'
import { converse, parseAnswer, requestText } from './raw-http.ts'
import { mayReview, RecordedIdentities } from './recorded-identities.ts'

export interface AnswerRow {
  id: string
  config: string
  /** A certificate's name; none without. */
  as?: string
  token?: string
  port?: 'read-only' | 'healthz'
  /** No Pods ran, or kube-apiserver did not. */
  pods?: false
  down?: true
  method?: string
  path?: string
  headers?: Record<string, string>
  sent?: string
  /** In the place of method and path. */
  bytes?: string
  status?: number
  answers?: Record<string, string>
  body?: string
  /** 'token', or [user, verb, subresource, allowed]. */
  reviews?: ('token' | [user: string | null, verb: string, subresource: string, allowed: boolean])[]
  /** What each identity gets. */
  statusBy?: Record<string, number>
  /** What came back to `bytes`. */
  said?: string
}

const ANONYMOUS = { anonymous: { enabled: true } }
const NO_WEBHOOK = { webhook: { enabled: false } }
/** What a recorded configuration changes against kubeadm's. */
const CONFIGS: Readonly<Record<string, Record<string, unknown>>> = {
  kubeadm: {},
  'no-debugging-handlers': { enableDebuggingHandlers: false },
  'no-system-log-handler': { enableSystemLogHandler: false },
  'system-log-query': { enableSystemLogQuery: true },
  'no-profiling-handler': { enableProfilingHandler: false },
  'no-debug-flags-handler': { enableDebugFlagsHandler: false },
  'gate-fine-grained-off': { featureGates: { KubeletFineGrainedAuthz: false } },
  'gate-checkpoint-off': { featureGates: { ContainerCheckpoint: false } },
  'gate-zpages-off': { featureGates: { ComponentStatusz: false, ComponentFlagz: false } },
  'local-storage-isolation': { localStorageCapacityIsolation: true },
  'anonymous-webhook': { authentication: ANONYMOUS },
  'anonymous-alwaysallow': { authentication: { ...ANONYMOUS, ...NO_WEBHOOK }, authorization: { mode: 'AlwaysAllow' } },
  open: { authentication: { ...ANONYMOUS, ...NO_WEBHOOK, x509: null }, authorization: { mode: 'AlwaysAllow' } },
  alwaysallow: { authorization: { mode: 'AlwaysAllow' } },
  'no-client-ca': { authentication: { x509: null } },
  'no-client-ca-anonymous': { authentication: { ...ANONYMOUS, x509: null } },
  'no-webhook': { authentication: NO_WEBHOOK },
  'no-webhook-anonymous': { authentication: { ...ANONYMOUS, ...NO_WEBHOOK } },
}

export function recordedAnswers(name: 'endpoints' | 'authn'): AnswerRow[] {
  return JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/kubelet', `${name}.json`), 'utf8')) as AnswerRow[]
}

/** What is compared. Headers of raw answers in any order; of a review the user only where he was written down. */
export function comparable(row: AnswerRow): unknown {
  const { status, answers, body, statusBy, said } = row
  const reviews = row.reviews?.map((review) => (review === 'token' ? review : review.slice(1)))
  const lines = said
    ?.split('\r\n')
    .filter((line) => !/^(Date|Connection|Keep-Alive):/.test(line))
    .toSorted()
  return { status, answers, ...(row.method === 'HEAD' ? {} : { body }), statusBy, lines, reviews }
}

export class AnswerReplay {
  readonly #world = new KubeletWorld()
  readonly #identities = new RecordedIdentities()
  readonly #kubelets = new Map<string, Promise<RunningKubelet>>()
  readonly #isPopulated: boolean

  /** With the two Pods that ran when endpoints were recorded, or with none. */
  constructor(isPopulated: boolean) {
    this.#isPopulated = isPopulated
  }

  async start(): Promise<this> {
    await this.#world.start(this.#identities.clientCa)
    const { api } = this.#world
    api.mayReview = mayReview
    for (const [token, user] of this.#identities.users) api.tokens.set(token, user)
    if (this.#isPopulated) for (const [path, pod] of Object.entries(recordedPods())) api.put('ADDED', path, pod)
    return this
  }

  stop(): void {
    this.#world.stop()
  }

  /** The row as our kubelet would have been recorded. */
  async replay(row: AnswerRow): Promise<AnswerRow> {
    const kubelet = await this.#kubelet(row)
    if (row.statusBy) {
      const statusBy: Record<string, number> = {}
      for (const name of Object.keys(row.statusBy)) {
        const asked = name === 'nothing' ? row : { ...row, as: name }
        statusBy[name] = parseAnswer(await this.#ask(kubelet, asked)).status
      }
      return { ...row, statusBy }
    }
    const { calls } = this.#world.api
    const before = calls.length
    const text = await this.#ask(kubelet, row)
    if (row.bytes !== undefined) return { ...row, said: masked(text) }
    const { status, headers, body } = parseAnswer(text)
    const answers = Object.fromEntries(
      Object.keys(row.answers ?? {}).map((name) => [name, headers.get(name.toLowerCase()) ?? '']),
    )
    const reviews = calls.slice(before).flatMap(({ path, body: asked }): NonNullable<AnswerRow['reviews']> => {
      if (path.endsWith('/tokenreviews')) return ['token']
      if (!path.endsWith('/subjectaccessreviews')) return []
      const review = asked['spec'] as Parameters<typeof mayReview>[0]
      const { verb = '', subresource = '' } = review.resourceAttributes
      return [[review.user, verb, subresource, mayReview(review)]]
    })
    return {
      ...row,
      status,
      ...(row.answers ? { answers } : {}),
      ...(row.body === undefined ? {} : { body: masked(body) }),
      ...(row.reviews ? { reviews } : {}),
    }
  }

  /** Ends kubelets of configurations that are done with. */
  async forget(config: string): Promise<void> {
    for (const [key, kubelet] of this.#kubelets) {
      if (!key.startsWith(`${config} `)) continue
      this.#kubelets.delete(key)
      ;(await kubelet).stop()
    }
  }

  #kubelet({ config, down }: AnswerRow): Promise<RunningKubelet> {
    const key = `${config} ${down}`
    const known = this.#kubelets.get(key)
    if (known) return known
    const started = this.#start(config, down === true)
    this.#kubelets.set(key, started)
    return started
  }

  async #start(config: string, isDown: boolean): Promise<RunningKubelet> {
    const changes = CONFIGS[config]
    if (!changes) throw new Error(`[config_unknown] ${config}`)
    const authentication = {
      anonymous: { enabled: false },
      webhook: { enabled: true, cacheTTL: '1ms' },
      x509: { clientCAFile: join(this.#world.folder, 'ca.crt') },
      ...(changes['authentication'] as object | undefined),
    }
    const kubelet = await this.#world.kubelet({
      config: { readOnlyPort: 1, healthzPort: 1, ...changes, authentication },
      // nobody listens on port 1
      ...(isDown ? { server: 'http://127.0.0.1:1' } : {}),
    })
    await kubelet.serving(3)
    if (this.#isPopulated && !isDown) {
      const client = this.#world.clientAs(kubelet.readOnlyPort, {}, 'http')
      for (;;) {
        const { items } = (await client.json({ path: '/pods' })) as { items: { status: { phase: string } }[] | null }
        if (items?.length === 2 && items.every(({ status }) => status.phase === 'Running')) break
      }
    }
    return kubelet
  }

  async #ask(kubelet: RunningKubelet, row: AnswerRow): Promise<string> {
    const { port, readOnlyPort, healthzPort } = kubelet
    const to = row.port === 'read-only' ? readOnlyPort : row.port === 'healthz' ? healthzPort : port
    const user = row.as === undefined ? {} : this.#identities.certificate(row.as)
    const socket = await this.#world.clientAs(to, user, row.port ? 'http' : 'https').connect()
    if (row.bytes !== undefined) return converse(socket, row.bytes)
    const token = row.token === undefined ? undefined : (this.#identities.tokens[row.token] ?? '')
    const headers = Object.entries(row.headers ?? {}).map(([name, value]): [string, string] => [
      name,
      value
        .replace('<token>', token ?? '')
        .replace('<base64url token>', Buffer.from(token ?? '').toString('base64url')),
    ])
    const bearer = token === undefined || row.headers ? {} : { Authorization: `Bearer ${token}` }
    return converse(
      socket,
      requestText(row.method ?? 'GET', row.path ?? '/', { ...bearer, ...Object.fromEntries(headers) }, row.sent),
    )
  }
}

/** What differs from one run to the next. */
function masked(text: string): string {
  if (text.startsWith('\nkubelet ')) return `${text.split('\n').slice(0, 3).join('\n')}\n`
  return text.replace(/Date: [^\r]+/g, 'Date: <time>').replace(/(process_start_time_seconds) \d\S*/, '$1 <unix>')
}

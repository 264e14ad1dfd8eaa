/** A kubelet's endpoints, behind its gate or, on the read-only port, without one. pkg/kubelet/server/server.go. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import { witness } from '../../../lib/cluster/witness.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { NotExecutable, type Container } from '../container/container.ts'
import type { NodePods } from '../pods/node-pods.ts'
import { specOf } from '../pods/pod-spec.ts'
import type { PodWorker } from '../pods/pod-worker.ts'
import type { KubeletSettings } from '../settings.ts'
import { answer, httpError, json, PLAIN_TEXT, redirect } from './answer.ts'
import { containerLogs } from './container-logs.ts'
import type { Gate } from './gate.ts'
import { nodeMetrics, processMetrics, statsSummary } from './metrics.ts'
import { debugFlags } from './debug-flags.ts'
import { podList, reported, running } from './pod-list.ts'
import { routeOf, type Endpoint } from './routes.ts'
import { runtimeText } from './exec-status.ts'
import { systemLogs } from './system-logs.ts'
import type { Upgrade } from './upgrade.ts'
import { statusLines, zpage } from './zpages.ts'

export interface Connection {
  local: string
  remote: string
  peerChain: readonly Buffer[]
}

export interface HandlerOptions {
  settings: KubeletSettings
  pods: NodePods
  /** Absent on the read-only port. */
  gate: Gate | undefined
  version: string
}

interface Call {
  request: IncomingMessage
  response: ServerResponse
  upgrade: Upgrade | undefined
  connection: Connection
  parts: readonly string[]
  query: URLSearchParams
}

const NEEDS_DEBUGGING = new Set<Endpoint>([
  'run',
  'exec',
  'attach',
  'port-forward',
  'container-logs',
  'running-pods',
  'logs',
  'pprof',
])

export class Handler {
  readonly #options: HandlerOptions

  constructor(options: HandlerOptions) {
    this.#options = options
  }

  /** Serves a request to its end. */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    connection: Connection,
    upgrade?: Upgrade,
  ): Promise<void> {
    const { gate, settings } = this.#options
    const { method = 'GET', url = '/' } = request
    const [path = '/', query = ''] = splitOnce(url, '?')
    const { enableDebuggingHandlers: debuggingHandlers, checkpoints, zpages } = settings
    const route = routeOf(method, path, {
      isReadOnly: gate === undefined,
      debuggingHandlers,
      systemLogHandler: settings.enableSystemLogHandler,
      profilingHandler: settings.enableProfilingHandler,
      checkpoints,
      zpages,
    })
    if (route.kind === 'redirect')
      return redirect(response, method, query ? `${route.location}?${query}` : route.location)
    if (route.kind === 'unknown') return httpError(response, 404, '404 page not found')
    const verdict = await gate?.judge({ method, path, headers: request.headers, peerChain: connection.peerChain })
    const facts = {
      about: 'request' as const,
      local: connection.local,
      remote: connection.remote,
      request: `${method} ${url}`,
      ...(verdict?.user ? { identity: verdict.user.username } : {}),
      ...serialOf(connection),
    }
    if (verdict && !verdict.allowed) {
      if (verdict.status === 401) {
        witness({ ...facts, decision: 'refuse', layer: '401', code: 'Unauthorized', text: verdict.text })
      } else if (verdict.status === 403) {
        witness({ ...facts, decision: 'refuse', layer: '403-rbac', code: 'Forbidden', text: verdict.text })
      }
      return answer(response, verdict.status, verdict.body)
    }
    witness({ ...facts, decision: 'allow', ...(verdict ? {} : { identity: 'system:anonymous' }) })
    if (route.kind === 'nothing') return answer(response, 404, '404: Page Not Found')
    if (route.allow) {
      const headers = { 'Content-Type': PLAIN_TEXT, Allow: route.allow.join(', ') }
      return answer(response, 405, '405: Method Not Allowed', headers)
    }
    const isOff = gate === undefined || !debuggingHandlers
    if (isOff && NEEDS_DEBUGGING.has(route.endpoint)) return httpError(response, 405, 'Debug endpoints are disabled.')
    const { parts } = route
    await this.#endpoint(route.endpoint, {
      request,
      response,
      upgrade,
      connection,
      parts,
      query: new URLSearchParams(query),
    })
  }

  async #endpoint(endpoint: Endpoint, call: Call): Promise<void> {
    const { settings, pods } = this.#options
    const { response, request, connection, parts, query } = call
    switch (endpoint) {
      case 'healthz':
        return answer(response, 200, 'ok', { 'Content-Type': PLAIN_TEXT, 'X-Content-Type-Options': 'nosniff' })
      case 'healthz-check':
        return answer(response, 200, 'ok')
      case 'pods':
      case 'running-pods':
        return podList(request, response, connection, pods.list().map(endpoint === 'pods' ? reported : running))
      case 'stats-summary':
        return json(response, statsSummary(settings.nodeName, pods.list()))
      case 'metrics': {
        const headers = { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores' }
        const { method, url = '' } = request
        // registries of their own, in which a quiet kubelet has next to nothing
        const isSmall = /^\/metrics\/(probes|slis)/.test(url)
        if (method === 'DELETE' && url.startsWith('/metrics/slis')) return answer(response, 200, 'metrics reset\n')
        if (isSmall) return answer(response, 200, processMetrics(), headers)
        return answer(response, 200, nodeMetrics(settings.nodeName, pods.list(), this.#options.version), headers)
      }
      case 'configz':
        return answer(response, 200, JSON.stringify({ kubeletconfig: settings.configuration }), {
          'Content-Type': 'application/json',
          'X-Content-Type-Options': 'nosniff',
        })
      case 'statusz':
        return zpage(request, response, 'statusz', statusLines(this.#options.version))
      case 'flagz':
        return zpage(request, response, 'flagz', settings.commandLine)
      case 'run':
        return this.#run(call)
      case 'exec':
      case 'attach':
        return this.#stream(endpoint, call)
      case 'port-forward': {
        const worker = this.#worker(parts)
        if (!worker) return answer(response, 404, 'pod does not exist')
        if (parts.length === 3 && worker.pod.metadata.uid !== parts[2]) {
          return answer(response, 404, 'pod not found')
        }
        const onBytes = (bytes: Buffer): void => witnessCanaries(bytes, connection)
        // what streams is loaded by whoever asks first: most runs never do
        const { portForward } = await import('./port-forward.ts')
        return portForward({ request, response, upgrade: call.upgrade, query, worker, onBytes })
      }
      case 'container-logs': {
        const worker = this.#worker(parts)
        const [, pod = '', name = ''] = parts
        if (!worker) return answer(response, 404, `pod "${pod}" does not exist`)
        if (!declares(worker, name)) return answer(response, 404, `container "${name}" not found in pod "${pod}"`)
        const wantsPrevious = ['true', '1', ''].includes(query.get('previous') ?? 'false')
        const container = wantsPrevious ? worker.previousContainer(name) : worker.container(name)
        if (!container && wantsPrevious) {
          return answer(response, 400, `previous terminated container "${name}" in pod "${pod}" not found`)
        }
        if (!container)
          return answer(response, 400, `container "${name}" in pod "${pod}" is waiting to start: ContainerCreating`)
        return containerLogs(response, container, query, (bytes) => witnessCanaries(bytes, connection))
      }
      case 'logs':
        if (!settings.enableSystemLogHandler) return httpError(response, 405, 'logs endpoint is disabled.')
        return systemLogs(response, parts, settings.enableSystemLogQuery ? query : undefined)
      case 'checkpoint': {
        const [namespace, pod, name = ''] = parts
        const worker = this.#worker(parts)
        if (!worker) return answer(response, 404, 'pod does not exist')
        if (!declares(worker, name)) return answer(response, 404, `container ${name} does not exist`)
        const why = 'rpc error: code = Unimplemented desc = method CheckpointContainer not implemented'
        return answer(response, 500, `checkpointing of ${namespace}/${pod}/${name} failed (${why})`)
      }
      case 'pprof':
        if (!settings.enableProfilingHandler) return httpError(response, 405, 'profiling endpoint is disabled.')
        if (parts[0] === 'symbol') {
          const headers = { 'Content-Type': PLAIN_TEXT, 'X-Content-Type-Options': 'nosniff' }
          return answer(response, 200, 'num_symbols: 1\n', headers)
        }
        return httpError(response, 501, '[pprof] kubelet: the simulation has no profiles of a Go program')
      case 'debug-flags':
        if (!settings.enableDebugFlagsHandler) return httpError(response, 405, 'flags endpoint is disabled.')
        return debugFlags(request, response)
    }
  }

  async #run({ response, connection, parts, query }: Call): Promise<void> {
    const worker = this.#worker(parts)
    if (!worker) return answer(response, 404, 'pod does not exist')
    const name = parts.at(-1) ?? ''
    const container = runningContainer(worker, name)
    if (!container) return answer(response, 500, `container not found ("${name}")`)
    const command = (query.get('cmd') ?? '').split(' ')
    const output: Buffer[] = []
    const keep = (bytes: Buffer): void => void output.push(bytes)
    try {
      const code = await container.run(command, { out: keep, err: keep })
      const text = Buffer.concat(output)
      witnessCanaries(text, connection)
      if (code === 0) return answer(response, 200, text, { 'Content-Type': 'application/json' })
      return answer(response, 500, `command '${command.join(' ')}' exited with ${code}: ${text.toString('utf8')}`)
    } catch (error) {
      if (!(error instanceof NotExecutable)) throw error
      return answer(response, 500, `rpc error: code = Unknown desc = ${runtimeText(error)}`)
    }
  }

  async #stream(endpoint: 'exec' | 'attach', call: Call): Promise<void> {
    const { request, response, upgrade, connection, parts, query } = call
    if (!streamsAsked(query)) return answer(response, 400, 'you must specify at least 1 of stdin, stdout, stderr')
    const worker = this.#worker(parts)
    if (!worker) return answer(response, 404, 'pod does not exist')
    const name = parts.at(-1) ?? ''
    const container = runningContainer(worker, name)
    if (!container) {
      const { name: pod = '', namespace = '' } = worker.pod.metadata
      const text =
        endpoint === 'exec'
          ? `container not found ("${name}")`
          : `container ${name} not found in pod ${pod}_${namespace}`
      return answer(response, 500, text)
    }
    const onBytes = (bytes: Buffer): void => witnessCanaries(bytes, connection)
    const { attach, exec } = await import('./stream.ts')
    const stream = { request, response, upgrade, query, container, onBytes }
    if (endpoint === 'exec') exec(stream)
    else attach(stream)
  }

  #worker([namespace = '', name = '']: readonly string[]): PodWorker | undefined {
    return this.#options.pods.find(namespace, name)
  }
}

/** At least one of them has to be asked for; the kubelet knows them by other names than kube-apiserver. */
function streamsAsked(query: URLSearchParams): boolean {
  return ['input', 'output', 'error'].some((name) => query.get(name) === '1')
}

function runningContainer(worker: PodWorker, name: string): Container | undefined {
  const container = worker.container(name)
  return container?.exitCode === undefined ? container : undefined
}

function declares({ pod }: PodWorker, name: string): boolean {
  return specOf(pod).containers.some((container) => container.name === name)
}

const serials = new WeakMap<readonly Buffer[], { serial?: string }>()

function serialOf({ peerChain }: Connection): { serial?: string } {
  const known = serials.get(peerChain)
  if (known) return known
  let found: { serial?: string } = {}
  try {
    if (peerChain[0]) found = { serial: parseCertificate(peerChain[0]).serialNumber.toString(16) }
  } catch {
    // the gate says what is wrong with it
  }
  serials.set(peerChain, found)
  return found
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** The way of a request: who, as whom, may it, and then what. apiserver/pkg/server/config.go (DefaultBuildHandlerChain). */
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { witness } from '../../lib/cluster/witness.ts'
import type { WitnessFacts } from '../../lib/cluster/witness.ts'
import { klogS } from '../../lib/kube/klog.ts'
import { failure, UNAUTHORIZED } from '../../lib/kube/status.ts'
import type { Status, StatusDetails } from '../../lib/kube/status.ts'
import type { User } from '../../lib/kube/user.ts'
import type { Layer } from '../../lib/tls/layer.ts'
import { nameToString } from '../../lib/x509/parse.ts'
import type { AuditEvent, AuditLog, Received } from './audit/audit-log.ts'
import type { Authenticator } from './authentication/authenticator.ts'
import { parsePeerChain } from './authentication/client-certificate.ts'
import type { Impersonation } from './authentication/impersonation.ts'
import { headerPairs } from './authentication/request-headers.ts'
import type { Authorize } from './authorization/authorizer.ts'
import { forbiddenMessage } from './authorization/forbidden-message.ts'
import { requestInfo, splitTarget } from './authorization/request-info.ts'
import type { ApiRequest, ApiResponse, RequestInfo } from './contract.ts'
import { dispatch } from './dispatch.ts'
import type { DispatchContext } from './dispatch.ts'
import { AdmissionError } from './registry/api-call.ts'
import { Responder, statusOf } from './respond.ts'

/** Which connection a request came by. */
export interface RequestOrigin {
  local: string
  remote: string
  /** DER, leaf first; the same array for all requests of a connection. */
  peerChain: readonly Buffer[]
  /** --insecure-port: nobody is asked who he is or what he may. */
  insecure: boolean
}

export interface PipelineContext extends DispatchContext {
  authenticator: Authenticator
  impersonation: Impersonation
  authorize: Authorize
  /** Undefined without a policy. */
  audit: AuditLog | undefined
}

export interface Upgrade {
  head: Buffer
  take: () => Duplex
}

/** Who comes by the insecure port (pkg/kubeapiserver/server/insecure_handler.go up to v1.19). */
const UNSECURED: User = { username: 'system:unsecured', groups: ['system:masters', 'system:authenticated'] }
/** What this server has written it also knows when it decides; longer than this a slow etcd keeps nobody waiting. */
const FRESH_MS = 1000

export class Pipeline {
  readonly #context: PipelineContext

  constructor(context: PipelineContext) {
    this.#context = context
  }

  /** Serves one request to its end; never rejects. */
  async serve(request: ApiRequest, response: ApiResponse, origin: RequestOrigin, upgrade?: Upgrade): Promise<void> {
    response.on('error', () => {})
    const auditId = String(request.headers['audit-id'] ?? '') || randomUUID()
    const facts: WitnessFacts = {
      about: 'request',
      decision: 'allow',
      local: origin.local,
      remote: origin.remote,
      request: `${request.method} ${request.url}`,
      auditId,
    }
    let query = new URLSearchParams()
    let info: RequestInfo
    try {
      query = splitTarget(request.url ?? '').query
      info = requestInfo(request.method ?? '', request.url ?? '')
    } catch (error) {
      const responder = new Responder(request, response, query, { local: origin.local, remote: origin.remote, auditId })
      if (error instanceof URIError) return responder.text(400, '400 Bad Request')
      return responder.text(500, `failed to create RequestInfo: ${(error as Error).message}\n`)
    }
    const responder = new Responder(request, response, query, { local: origin.local, remote: origin.remote, auditId })
    try {
      const user = await this.#decide({ request, info, auditId, remote: origin.remote }, origin, responder, facts)
      if (!user) return
      facts.identity = user.username
      witness({ ...facts, code: 'Allowed' })
      await dispatch(
        { request, info, user, query, responder, ...(upgrade && { upgrade: audited(upgrade, responder.audit) }) },
        this.#context,
      )
    } catch (error) {
      this.#fail(error, responder, facts)
    }
  }

  /** Undefined where the request was refused, and answered. */
  async #decide(
    received: Received,
    origin: RequestOrigin,
    responder: Responder,
    facts: WitnessFacts,
  ): Promise<User | undefined> {
    const { request, info } = received
    if (origin.insecure) {
      audit(responder, this.#context.audit?.begin(received, UNSECURED), info)
      return UNSECURED
    }
    const { cache, store, authenticator, impersonation, authorize } = this.#context
    if (cache.revision < store.written) await cache.reach(store.written, FRESH_MS)
    const headers = headerPairs(request.rawHeaders)
    const said = authenticator.authenticate({ peerChain: origin.peerChain, headers, path: info.path })
    if ('unauthorized' in said) {
      klogS('E', 'authentication.go:74', 'Unable to authenticate the request', { err: said.unauthorized })
      refuse({ ...facts, ...certificateFacts(origin.peerChain) }, '401', UNAUTHORIZED, said.unauthorized)
      this.#context.audit?.unauthorized(received, UNAUTHORIZED)
      responder.status(UNAUTHORIZED)
      return undefined
    }
    audit(responder, this.#context.audit?.begin(received, said.user), info)
    const impersonated = impersonation.apply(said.user, headers, info)
    if (impersonated && 'refusal' in impersonated) {
      const { refusal, by } = impersonated
      refuse({ ...facts, identity: said.user.username }, by === 'node' ? '403-node' : '403-rbac', refusal)
      responder.status(refusal, { 'X-Content-Type-Options': 'nosniff' })
      return undefined
    }
    const user = impersonated?.user ?? said.user
    if (impersonated) responder.audit?.impersonate(user, impersonated.constraint)
    const decision = authorize(user, info)
    responder.audit?.annotate('authorization.k8s.io/decision', decision.decision === 'allow' ? 'allow' : 'forbid')
    responder.audit?.annotate('authorization.k8s.io/reason', decision.reason)
    if (decision.decision === 'allow') return user
    const status = failure(
      403,
      'Forbidden',
      forbiddenMessage(user.username, info, decision.reason),
      forbiddenDetails(info),
    )
    refuse({ ...facts, identity: user.username }, decision.by === 'node' ? '403-node' : '403-rbac', status)
    responder.status(status, { 'X-Content-Type-Options': 'nosniff' })
    return undefined
  }

  #fail(error: unknown, responder: Responder, facts: WitnessFacts): void {
    const status = statusOf(error)
    if (error instanceof AdmissionError) {
      const { layer, plugin } = error.refusal
      refuse(facts, layer, status, `${plugin}: ${status.message}`)
    } else if ((status.code ?? 500) >= 500) {
      klogS('E', 'status.go:71', 'apiserver received an error that is not an metav1.Status', {
        err: status.message ?? '',
      })
    }
    responder.status(status)
  }
}

/** Requests that live long have a stage of their own when their answer begins. */
const LONG_SUBRESOURCES = new Set(['attach', 'exec', 'log', 'portforward', 'proxy'])

function audit(responder: Responder, event: AuditEvent | undefined, { verb, subresource }: RequestInfo): void {
  if (!event) return
  responder.audit = event
  const { response } = responder
  const isLong = verb === 'watch' || LONG_SUBRESOURCES.has(subresource)
  if (isLong) responder.onBegin = () => event.start(response.statusCode)
  response.once('close', () => {
    // what a kubelet answers does not pass by the responder
    if (isLong) event.start(response.statusCode)
    event.complete(response.statusCode)
  })
}

/** An upgrade is answered on the bare socket: its code is what the first line there says. */
function audited({ head, take }: Upgrade, event: AuditEvent | undefined): Upgrade {
  if (!event) return { head, take }
  return {
    head,
    take: () => {
      const socket = take()
      const [write, end] = [socket.write.bind(socket), socket.end.bind(socket)]
      let code = 101
      const hear = (first: unknown): void => {
        Object.assign(socket, { write, end })
        code = Number(/^HTTP\/1\.1 (\d{3})/.exec(String(first))?.[1] ?? 500)
        event.start(code)
      }
      socket.write = (...args: unknown[]): boolean => {
        hear(args[0])
        return Reflect.apply(write, socket, args)
      }
      // a refusal is said in one
      socket.end = (...args: unknown[]): Duplex => {
        if (args[0] !== undefined) hear(args[0])
        return Reflect.apply(end, socket, args) as Duplex
      }
      socket.once('close', () => event.complete(code))
      return socket
    },
  }
}

function refuse(facts: WitnessFacts, layer: Layer, { reason, message }: Status, text = message): void {
  witness({ ...facts, decision: 'refuse', layer, code: reason ?? '', ...(text !== undefined && { text }) })
}

function forbiddenDetails({ name, apiGroup, resource }: RequestInfo): StatusDetails {
  return { ...(name && { name }), ...(apiGroup && { group: apiGroup }), ...(resource && { kind: resource }) }
}

/** What is known of somebody who was not accepted: the certificate that was shown. */
function certificateFacts(peerChain: readonly Buffer[]): Pick<WitnessFacts, 'identity' | 'serial'> {
  const chain = parsePeerChain(peerChain)
  const [leaf] = Array.isArray(chain) ? chain : []
  return leaf ? { identity: nameToString(leaf.subject), serial: leaf.serialNumber.toString(16) } : {}
}

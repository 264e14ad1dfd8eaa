/**
 * Carries what a client wants of a container to the kubelet of its node, once the client was authorised: exec, attach,
 * port-forward, logs and nodes/proxy. pkg/registry/core/pod/rest, apimachinery/pkg/util/proxy.
 */
import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { witness } from '../../../lib/cluster/witness.ts'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, failure, internalError, notFound, StatusError } from '../../../lib/kube/status.ts'
import { isWebSocketUpgrade } from '../authentication/bearer-token.ts'
import { firstHeader, headerPairs, headerValues } from '../authentication/request-headers.ts'
import type { HeaderPair } from '../authentication/request-headers.ts'
import type { Authorize } from '../authorization/authorizer.ts'
import { forbiddenText } from '../authorization/forbidden-message.ts'
import { splitTarget } from '../authorization/request-info.ts'
import type { ApiRequest, KubeletRequest, ObjectCache } from '../contract.ts'
import { forwardedHeaders } from './forwarded-headers.ts'
import type { Headers } from './forwarded-headers.ts'
import { assertProxyable, hostPort, kubeletAddress, splitSchemeNamePort, takesWebSockets } from './kubelet-address.ts'
import type { KubeletAddress } from './kubelet-address.ts'
import { answerEmpty, answerStatus, readText, relayResponse, splice } from './kubelet-answer.ts'
import { DialError, dialKubelet, dialUnverified } from './kubelet-dialer.ts'
import type { KubeletDialSettings } from './kubelet-dialer.ts'
import { isTrue, logPath, nodeOf, streamPath } from './kubelet-path.ts'
import type { Stream } from './kubelet-path.ts'
import { askKubelet, ExchangeError } from './kubelet-request.ts'
import type { KubeletAnswer, KubeletRequestOptions } from './kubelet-request.ts'
import { logRefusal } from './log-answer.ts'

export interface KubeletLinkSettings extends KubeletDialSettings {
  /** --kubelet-preferred-address-types. */
  preferredAddressTypes: readonly string[]
  /** Minor version of the Kubernetes that is stood in for: 36 of v1.36.3. */
  minorVersion: number
}

/** AuthorizePodWebsocketUpgradeCreatePermission. */
const SECOND_CHECK_SINCE = 35
/** TranslateStreamCloseWebsocketRequests: v5 streams come to the kubelet as SPDY. */
const TRANSLATION_SINCE = 30
/** ExtendWebSocketsToKubelet: unless the kubelet takes them as they are. */
const PASSING_ON_SINCE = 36
const TRANSLATED_PROTOCOLS = new Set(['v5.channel.k8s.io', 'SPDY/3.1+portforward.k8s.io'])

/** A request for nodes/proxy may name its node as `https:name:port`, so the object in it need not be the node. */
export class KubeletLink {
  readonly #settings: KubeletLinkSettings
  readonly #objects: ObjectCache
  readonly #authorize: Authorize

  constructor(settings: KubeletLinkSettings, objects: ObjectCache, authorize: Authorize) {
    this.#settings = settings
    this.#objects = objects
    this.#authorize = authorize
  }

  /** Serves the request to its end; every failure is answered to the client. */
  async serve(asked: KubeletRequest): Promise<void> {
    try {
      await this.#serve(asked)
    } catch (error) {
      answerStatus(asked, statusOf(error))
    }
  }

  async #serve(asked: KubeletRequest): Promise<void> {
    const { resource, subresource } = asked.info
    if (resource === 'nodes' && subresource === 'proxy') return this.#nodeProxy(asked)
    if (resource === 'pods' && subresource === 'log') return this.#log(asked)
    if (resource === 'pods' && (subresource === 'exec' || subresource === 'attach' || subresource === 'portforward')) {
      return this.#stream(asked, subresource)
    }
    const what = subresource === '' ? resource : `${resource}/${subresource}`
    throw new StatusError(501, 'NotImplemented', `[link_unknown] ${what}: the simulation carries no such request`)
  }

  async #stream(asked: KubeletRequest, stream: Stream): Promise<void> {
    const headers = headerPairs(asked.request.rawHeaders)
    if (asked.request.method === 'GET' && isWebSocketUpgrade(headers)) this.#assertMayCreate(asked)
    const { query } = splitTarget(asked.request.url ?? '')
    const path = streamPath(asked.object, stream, query)
    const node = this.#nodeOfPod(asked.object)
    const address = kubeletAddress(node, this.#settings.preferredAddressTypes)
    if (!asked.upgrade) throw badRequest('Upgrade request required')
    if (this.#isTranslated(headers, node)) return this.#translate(asked, stream, address, path, headers)
    const socket = await dialKubelet(address, this.#settings).catch(backendError)
    await upgrade(asked, { socket, method: asked.request.method ?? '', path, headers: upgradeHeaders(asked, headers) })
  }

  /** 1.35: whoever opens a WebSocket by GET needs `create` beside `get`. */
  #assertMayCreate({ info, user, request }: KubeletRequest): void {
    if (this.#settings.minorVersion < SECOND_CHECK_SINCE) return
    const { decision, reason, by } = this.#authorize(user, { ...info, verb: 'create' })
    if (decision === 'allow') return
    const message = forbiddenText(info, reason)
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = request.socket
    witness({
      about: 'request',
      decision: 'refuse',
      layer: by === 'node' ? '403-node' : '403-rbac',
      code: 'Forbidden',
      identity: user.username,
      request: `${request.method} ${request.url}`,
      local: `${localAddress}:${localPort}`,
      remote: `${remoteAddress}:${remotePort}`,
      text: message,
    })
    throw new StatusError(403, 'Forbidden', message, { name: info.name, kind: info.resource })
  }

  /** Whether a WebSocket ends here, because the kubelet takes SPDY only. */
  #isTranslated(headers: readonly HeaderPair[], node: KubeObject): boolean {
    const { minorVersion } = this.#settings
    const offered = headerValues(headers, 'Sec-WebSocket-Protocol').flatMap((each) =>
      each.split(',').map((name) => name.trim()),
    )
    const isAsked = minorVersion >= TRANSLATION_SINCE && offered.some((each) => TRANSLATED_PROTOCOLS.has(each))
    return isAsked && !(minorVersion >= PASSING_ON_SINCE && takesWebSockets(node))
  }

  async #translate(
    asked: KubeletRequest,
    stream: Stream,
    address: KubeletAddress,
    path: string,
    headers: readonly HeaderPair[],
  ): Promise<void> {
    const { request, upgrade: client } = asked
    // an upgrade comes by HTTP/1.1 only
    if (!client || !(request instanceof IncomingMessage)) throw badRequest('Upgrade request required')
    // few kubelets need it: loaded by the first that does
    const { joinTunnel, translateExec, tunnelHeaders } = await import('./stream-translation.ts')
    const dial = (): Promise<Socket> => dialKubelet(address, this.#settings)
    if (stream !== 'portforward') return translateExec({ request, upgrade: client, address, path, dial })
    const socket = await dial().catch(backendError)
    await upgrade(
      asked,
      { socket, method: 'POST', path, headers: tunnelHeaders(upgradeHeaders(asked, headers)) },
      (answer) => joinTunnel(request, client, socket, answer.head),
    )
  }

  async #log(asked: KubeletRequest): Promise<void> {
    const { query } = splitTarget(asked.request.url ?? '')
    const path = logPath(asked.object, query)
    if (nodeOf(asked.object) === '') return answerEmpty(asked, 204)
    const address = kubeletAddress(this.#nodeOfPod(asked.object), this.#settings.preferredAddressTypes)
    const url = `https://${hostPort(address)}${path}`
    const fail = (error: unknown): never => {
      throw new StatusError(500, '', `Get ${goQuote(url)}: ${transportText(error)}`)
    }
    const skipVerify = isTrue(query.get('insecureSkipTLSVerifyBackend'))
    const socket = await dialKubelet(address, this.#settings, { skipVerify }).catch(fail)
    const headers: Headers = { Host: hostPort(address), 'User-Agent': 'Go-http-client/1.1', 'Accept-Encoding': 'gzip' }
    const { response } = await askKubelet({ socket, method: 'GET', path, headers }).catch(fail)
    const code = response.statusCode ?? 0
    const { location } = response.headers
    if (code >= 300 && code < 400 && location !== undefined) {
      socket.destroy()
      throw new StatusError(500, '', `Get ${goQuote(location)}: redirects forbidden`)
    }
    if (code < 200 || code > 206) throw logRefusal(code, await readText(response), asked.object.metadata.name ?? '')
    relayResponse(asked, response, { decode: true, headers: [['Content-Type', 'text/plain']] })
  }

  async #nodeProxy(asked: KubeletRequest): Promise<void> {
    const { request, info } = asked
    const named = splitSchemeNamePort(info.name)
    if (!named) throw badRequest(`invalid node request ${goQuote(info.name)}`)
    const address = kubeletAddress(this.#node(named.name), this.#settings.preferredAddressTypes)
    assertProxyable(address.host, this.#settings.place)
    const isKubelet = named.port === '' || Number(named.port) === address.port
    const dial = isKubelet
      ? dialKubelet(address, this.#settings)
      : dialUnverified({ host: address.host, port: Number(named.port) }, named.scheme, this.#settings.place)
    const { path, asClientAsked } = proxiedPath(request.url ?? '')
    const incoming = headerPairs(request.rawHeaders)
    const method = request.method ?? ''
    if (asked.upgrade) {
      const socket = await dial.catch(backendError)
      // the query is lost on an upgrade, as recorded
      const bare = path.split('?')[0] ?? ''
      return upgrade(asked, { socket, method, path: bare, headers: upgradeHeaders(asked, incoming) })
    }
    const socket = await dial.catch(unreachable)
    const headers = forwardedHeaders(incoming, { ...clientOf(asked), forwardedUri: asClientAsked })
    // http.Transport asks for gzip by itself and takes it off again
    const decode = method !== 'HEAD' && !('Accept-Encoding' in headers) && !('Range' in headers)
    if (decode) headers['Accept-Encoding'] = 'gzip'
    const body = hasBody(request) ? { body: request } : {}
    const { response } = await askKubelet({ socket, method, path, headers, ...body }).catch(unreachable)
    relayResponse(asked, response, { decode })
  }

  #nodeOfPod(pod: KubeObject): KubeObject {
    const name = nodeOf(pod)
    if (name === '') throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`)
    return this.#node(name)
  }

  #node(name: string): KubeObject {
    const node = this.#objects.get('nodes', '', name)
    if (!node) throw notFound({ group: '', resource: 'nodes' }, name)
    return node
  }
}

type Upgraded = Extract<KubeletAnswer, { kind: 'upgraded' }>

/** Asks the kubelet to change protocols; what it says instead is relayed raw, as long as it is a refusal. */
async function upgrade(
  asked: KubeletRequest,
  options: KubeletRequestOptions,
  join?: (answer: Upgraded) => void,
): Promise<void> {
  const answer = await askKubelet(options).catch((error: unknown): never => {
    if (!(error instanceof ExchangeError)) throw error
    throw new StatusError(500, '', error.kind === 'eof' ? 'unexpected EOF' : error.message)
  })
  const { response } = answer
  if (answer.kind === 'upgraded') {
    if (!asked.upgrade) return void answer.socket.destroy()
    if (join) return join(answer)
    return splice(asked.upgrade.socket, asked.upgrade.head, answer.socket, answer.head, response)
  }
  const code = response.statusCode ?? 0
  if (code >= 400) return relayResponse(asked, response)
  options.socket.destroy()
  throw new StatusError(500, '', `invalid upgrade response: status code ${code}`)
}

function upgradeHeaders(asked: KubeletRequest, incoming: readonly HeaderPair[]): Headers {
  return forwardedHeaders(incoming, { ...clientOf(asked), upgrade: firstHeader(incoming, 'Upgrade') })
}

function clientOf({ request }: KubeletRequest): { host: string; clientAddress: string } {
  const { host, ':authority': authority } = request.headers
  return { host: host ?? String(authority ?? ''), clientAddress: request.socket.remoteAddress ?? '' }
}

function hasBody(request: ApiRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  if (length !== undefined || encoding !== undefined) return encoding !== undefined || Number(length) > 0
  return 'stream' in request && !request.stream.endAfterHeaders
}

/** What stands behind `/proxy`, as it came, and the whole path without its query. */
function proxiedPath(url: string): { path: string; asClientAsked: string } {
  const [, rest = ''] = /^\/api\/v1\/nodes\/[^/]+\/proxy(.*)$/s.exec(url) ?? []
  return { path: rest.startsWith('/') ? rest : `/${rest}`, asClientAsked: url.split('?')[0] ?? '' }
}

function backendError(error: unknown): never {
  if (!(error instanceof DialError)) throw error
  throw new StatusError(500, '', `error dialing backend: ${error.message}`)
}

function unreachable(error: unknown): never {
  throw new StatusError(503, 'ServiceUnavailable', `error trying to reach service: ${transportText(error)}`)
}

/** A failure of http.Transport, which says more about garbage than a bare reader does. */
function transportText(error: unknown): string {
  if (error instanceof ExchangeError && error.kind === 'malformed') {
    return `net/http: HTTP/1.x transport connection broken: ${error.message}`
  }
  if (error instanceof ExchangeError || error instanceof DialError) return error.message
  throw error
}

function statusOf(error: unknown): ReturnType<typeof failure> {
  if (error instanceof StatusError) return error.status
  return internalError(error instanceof Error ? error.message : String(error)).status
}

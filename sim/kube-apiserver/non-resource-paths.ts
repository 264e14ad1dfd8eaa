/** What is served outside of resources: discovery, health, version, keys. apiserver/pkg/server/routes. */
import { createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { keyId } from '../../lib/kube/jwt.ts'
import { StatusError } from '../../lib/kube/status.ts'
import type { Asked } from './dispatch.ts'
import { checkHealth, HEALTH_ENDPOINTS } from './health.ts'
import type { Health } from './health.ts'
import {
  aggregatedDiscovery,
  AGGREGATED_TYPE,
  coreVersions,
  groupDocument,
  groupList,
  isAggregated,
  resourceList,
  servedPaths,
  takesDiscovery,
} from './registry/discovery.ts'
import {
  ASKED_SWAGGER,
  openApiDocument,
  openApiIndex,
  SWAGGER_PROTOBUF,
  swaggerDocument,
  swaggerProtobuf,
} from './registry/open-api.ts'
import { negotiate } from './registry/negotiation.ts'
import { versionInfo } from './server-version.ts'
import type { ServerVersion } from './server-version.ts'

const JWKS_TYPE = 'application/jwk-set+json'
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'
const OWN_PATHS = [
  '/.well-known/openid-configuration',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/readyz',
  '/version',
]

export interface NonResourceSettings {
  version: ServerVersion
  /** `ip:port` that clients are told to come to. */
  serverAddress: string
  health: Health
  issuer: string
  /** PEM keys of --service-account-key-file. */
  serviceAccountKeysPem: readonly string[]
}

export class NonResourcePaths {
  readonly #settings: NonResourceSettings

  constructor(settings: NonResourceSettings) {
    this.#settings = settings
  }

  /** False where nobody serves the path. */
  async serve(asked: Asked): Promise<boolean> {
    const { info, request } = asked
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const [root = '', ...rest] = info.path.split('/').slice(1)
    const health = HEALTH_ENDPOINTS.find((endpoint) => endpoint === root)
    if (health) return this.#health(asked, health, rest)
    if (root === 'api' || root === 'apis') return this.#discovery(asked, root, rest.join('/').replace(/\/$/, ''))
    if (root === 'openapi') return this.#openApi(asked, rest)
    return this.#other(asked)
  }

  async #health(
    { responder, query }: Asked,
    endpoint: (typeof HEALTH_ENDPOINTS)[number],
    rest: string[],
  ): Promise<boolean> {
    if (rest.length > 0 && rest[0] === '') return false
    const answer = await checkHealth(endpoint, rest.join('/'), query, this.#settings.health)
    if (!answer) return false
    responder.text(answer.code, answer.text, answer.nosniff ? { 'X-Content-Type-Options': 'nosniff' } : {})
    return true
  }

  #discovery({ request, responder }: Asked, root: 'api' | 'apis', rest: string): boolean {
    const { serverAddress, version } = this.#settings
    if (rest === '') {
      const form = negotiate(request.headers.accept, takesDiscovery(version.minor))
      if (isAggregated(form)) {
        responder.json(200, aggregatedDiscovery(root), { 'Content-Type': AGGREGATED_TYPE, Vary: 'Accept' })
      } else responder.json(200, root === 'api' ? coreVersions(serverAddress) : groupList(), { Vary: 'Accept' })
      return true
    }
    const [first = '', second] = rest.split('/')
    const document =
      root === 'api'
        ? resourceList('', rest)
        : second === undefined
          ? groupDocument(first)
          : resourceList(first, second)
    if (!document) return false
    negotiate(request.headers.accept)
    responder.json(200, document)
    return true
  }

  #openApi({ request, responder }: Asked, [version, ...rest]: string[]): boolean {
    if (version === 'v2' && rest.length === 0) {
      const { accept = '' } = request.headers
      const asksProtobuf = accept.includes(ASKED_SWAGGER) || accept.includes(SWAGGER_PROTOBUF)
      if (asksProtobuf) responder.bytes(200, swaggerProtobuf(), { 'Content-Type': SWAGGER_PROTOBUF })
      else responder.json(200, swaggerDocument())
      return true
    }
    if (version !== 'v3') return false
    const document = rest.length === 0 ? openApiIndex() : openApiDocument(rest.join('/'))
    if (!document) return false
    responder.json(200, document, rest.length === 0 ? { 'Content-Type': 'text/plain; charset=utf-8' } : {})
    return true
  }

  #other({ info, request, responder }: Asked): boolean {
    const { version, issuer, serverAddress } = this.#settings
    switch (info.path) {
      case '/':
        responder.json(200, servedPaths(OWN_PATHS))
        return true
      case '/version':
      case '/version/':
        responder.json(200, versionInfo(version))
        return true
      case '/metrics':
        responder.text(200, metricsText(), { 'Content-Type': METRICS_TYPE })
        return true
      case '/.well-known/openid-configuration':
        responder.json(200, {
          issuer,
          jwks_uri: `https://${serverAddress}/openid/v1/jwks`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: [...new Set(this.#keys().map(algorithmOf))],
        })
        return true
      case '/openid/v1/jwks':
        if (!/\*\/\*|application\/(\*|jwk-set\+json)/.test(request.headers.accept ?? '*/*')) throw notAcceptable()
        responder.json(200, { keys: this.#keys().map(jwkOf) }, { 'Content-Type': JWKS_TYPE })
        return true
      default:
        return false
    }
  }

  #keys(): KeyObject[] {
    return this.#settings.serviceAccountKeysPem.map((pem) => createPublicKey(pem))
  }
}

function notAcceptable(): StatusError {
  return new StatusError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${JWKS_TYPE}`, {})
}

const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

function algorithmOf(key: KeyObject): string {
  return CURVE_ALGORITHMS[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'RS256'
}

function jwkOf(key: KeyObject): object {
  return { use: 'sig', kid: keyId(key), alg: algorithmOf(key), ...key.export({ format: 'jwk' }) }
}

/** A few of the real one's metrics, with true values. */
function metricsText(): string {
  const { rss } = process.memoryUsage()
  const started = (Date.now() / 1000 - process.uptime()).toFixed(2)
  const gauge = (name: string, help: string, value: string): string =>
    `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`
  return [
    gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', String(rss)),
    gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', started),
  ].join('')
}

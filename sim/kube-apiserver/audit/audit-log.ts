/** --audit-log-path: one event for each stage of a request, a line of JSON each. apiserver/pkg/audit, endpoints/filters/audit.go. */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Status } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { ApiRequest, RequestInfo } from '../contract.ts'
import { LEVELS, ruleFor } from './audit-policy.ts'
import type { AuditPolicy, Level, Stage } from './audit-policy.ts'

/** `-` is standard output. */
const STDOUT = 1

/** What is known of a request when it has come. */
export interface Received {
  request: ApiRequest
  info: RequestInfo
  auditId: string
  /** `ip:port` of the client. */
  remote: string
}

export class AuditLog {
  readonly #policy: AuditPolicy
  readonly #descriptor: number

  /** Throws with the real text where the file cannot be. */
  constructor(policy: AuditPolicy, path: string) {
    this.#policy = policy
    this.#descriptor = path === '-' ? STDOUT : opened(path)
  }

  /** Logs that a request has come, as the policy has it; undefined where it logs nothing of it. */
  begin(received: Received, user: User): AuditEvent | undefined {
    const event = this.#eventOf(received, user)
    event?.stage('RequestReceived')
    return event
  }

  /** Nobody was let in: one event, in the stage of the answer. */
  unauthorized(received: Received, status: Status): void {
    const event = this.#eventOf(received, undefined)
    event?.respond(status.code ?? 401, status)
    event?.stage('ResponseStarted')
  }

  close(): void {
    if (this.#descriptor !== STDOUT) closeSync(this.#descriptor)
  }

  #eventOf(received: Received, user: User | undefined): AuditEvent | undefined {
    const rule = ruleFor(this.#policy, user, received.info)
    if (!rule || rule.level === 'None') return undefined
    const omitted = [...this.#policy.omitStages, ...(rule.omitStages ?? [])]
    return new AuditEvent(received, user, { level: rule.level, omitted, write: (line) => this.#write(line) })
  }

  #write(line: string): void {
    writeSync(this.#descriptor, line)
  }
}

function opened(path: string): number {
  const folder = dirname(path)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch {
    throw new Error(`ensureLogFile: mkdir ${folder}: not a directory`)
  }
  try {
    return openSync(path, 'a', 0o600)
  } catch (error) {
    throw new Error(`ensureLogFile: open ${path}: ${(error as Error).message}`, { cause: error })
  }
}

interface EventSettings {
  level: Level
  omitted: readonly Stage[]
  write: (line: string) => void
}

export class AuditEvent {
  readonly #received: Received
  readonly #user: User | undefined
  readonly #settings: EventSettings
  readonly #receivedAt = timestamp()
  readonly #annotations: Record<string, string> = {}
  #impersonated: User | undefined
  #constraint: string | undefined
  #requestObject: unknown
  #responseObject: unknown
  #responseStatus: object | undefined
  #isStarted = false
  #isComplete = false

  constructor(received: Received, user: User | undefined, settings: EventSettings) {
    this.#received = received
    this.#user = user
    this.#settings = settings
  }

  annotate(key: string, value: string): void {
    this.#annotations[key] = value
  }

  /** `constraint`: the mode of constrained impersonation that let it pass. */
  impersonate(user: User, constraint: string | undefined): void {
    this.#impersonated = user
    this.#constraint = constraint
  }

  /** The decoded body, or the patch. */
  request(object: unknown): void {
    if (this.#atLeast('Request')) this.#requestObject = structuredClone(object)
    else this.#named(object)
  }

  /** The answer's code, and the object that it is. */
  respond(code: number, object?: object): void {
    const { kind, status, message, reason, details } = (object ?? {}) as Partial<Status> & { kind?: string }
    const said = kind === 'Status' ? { status, message, reason, details } : {}
    this.#responseStatus = { metadata: {}, ...said, code }
    if (object && this.#atLeast('RequestResponse')) this.#responseObject = object
  }

  stage(stage: Stage): void {
    if (this.#settings.omitted.includes(stage)) return
    this.#settings.write(`${JSON.stringify(this.#line(stage))}\n`)
  }

  /** The answer of a request that lives long has begun; asked twice it is logged once. */
  start(code: number): void {
    if (this.#isStarted || this.#isComplete) return
    this.#isStarted = true
    this.#responseStatus ??= { metadata: {}, code }
    this.stage('ResponseStarted')
  }

  /** The last stage; asked twice it is logged once. */
  complete(code: number): void {
    if (this.#isComplete) return
    this.#isComplete = true
    this.#responseStatus ??= { metadata: {}, code }
    this.stage('ResponseComplete')
  }

  #name = ''

  /** A create has its name in the body alone. */
  #named(object: unknown): void {
    const { metadata } = (object ?? {}) as { metadata?: { name?: string } }
    this.#name = metadata?.name ?? ''
  }

  #atLeast(level: Level): boolean {
    return LEVELS.indexOf(this.#settings.level) >= LEVELS.indexOf(level)
  }

  #line(stage: Stage): object {
    const { request, info, auditId } = this.#received
    const { headers } = request
    const isFirst = stage === 'RequestReceived'
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#settings.level,
      auditID: auditId,
      stage,
      requestURI: request.url ?? '',
      verb: info.verb,
      user: this.#user ?? {},
      ...(this.#impersonated && { impersonatedUser: this.#impersonated }),
      ...(this.#constraint !== undefined && { authenticationMetadata: { impersonationConstraint: this.#constraint } }),
      sourceIPs: this.#sources(),
      ...(headers['user-agent'] !== undefined && { userAgent: headers['user-agent'] }),
      ...(info.isResourceRequest && { objectRef: this.#reference(isFirst) }),
      ...(!isFirst && {
        ...(this.#responseStatus && { responseStatus: this.#responseStatus }),
        ...(this.#requestObject !== undefined && { requestObject: this.#requestObject }),
        ...(this.#responseObject !== undefined && { responseObject: this.#responseObject }),
      }),
      requestReceivedTimestamp: this.#receivedAt,
      stageTimestamp: isFirst ? this.#receivedAt : timestamp(),
      ...(Object.keys(this.#annotations).length > 0 && { annotations: sorted(this.#annotations) }),
    }
  }

  #reference(isFirst: boolean): object {
    const { resource, namespace, name, apiGroup, apiVersion, subresource } = this.#received.info
    if (!isFirst && this.#name === '') this.#named(this.#requestObject)
    const known = name || (isFirst ? '' : this.#name)
    return {
      resource,
      ...(namespace && { namespace }),
      ...(known && { name: known }),
      ...(apiGroup && { apiGroup }),
      ...(apiVersion && { apiVersion }),
      ...(subresource && { subresource }),
    }
  }

  /** What proxies say is believed: apimachinery/pkg/util/net, SourceIPs. */
  #sources(): string[] {
    const { request, remote } = this.#received
    const list = (name: string): string[] => {
      const value = request.headers[name]
      return (Array.isArray(value) ? value.join(',') : (value ?? ''))
        .split(',')
        .map((each) => each.trim())
        .filter(Boolean)
    }
    const peer = remote.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
    const told = [...list('x-forwarded-for'), ...list('x-real-ip')]
    return told.at(-1) === peer ? told : [...told, peer]
  }
}

function sorted(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** RFC 3339 with microseconds, as metav1.MicroTime. */
function timestamp(): string {
  const micros = Math.floor((performance.now() % 1) * 1000)
  return new Date().toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)
}

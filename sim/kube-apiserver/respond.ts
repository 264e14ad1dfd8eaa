/** How answers are written: apiserver/pkg/endpoints/handlers/responsewriters/writers.go. */
import { witnessCanaries } from '../../lib/cluster/canary-witness.ts'
import type { KubeList, KubeObject } from '../../lib/kube/object.ts'
import { StatusError } from '../../lib/kube/status.ts'
import type { Status } from '../../lib/kube/status.ts'
import type { AuditEvent } from './audit/audit-log.ts'
import type { ApiRequest, ApiResponse } from './contract.ts'
import { encodeEnvelope } from './storage/codec.ts'
import type { Typed } from './storage/codec.ts'
import { tidyMetadata } from './registry/metadata.ts'
import { PROTOBUF, statusMedia } from './registry/negotiation.ts'
import type { AcceptedForm } from './registry/negotiation.ts'
import { listItem } from './registry/read.ts'
import type { Resource } from './registry/resource.ts'
import { includeObjectOf, partialMetadata, tableOf } from './registry/table.ts'

const PRETTY_AGENTS = /^(curl|Wget|Mozilla)/
const META_VERSION = 'meta.k8s.io/v1'

export type Headers = Readonly<Record<string, string | string[]>>

export interface AnswerFacts {
  form: AcceptedForm
  resource: Resource
  query: URLSearchParams
  /** Texts of Warning headers. */
  warnings: readonly string[]
}

/** Which request of which connection is answered. */
export interface ResponderFacts {
  local: string
  remote: string
  auditId: string
}

export class Responder {
  readonly response: ApiResponse
  readonly #request: ApiRequest
  readonly #pretty: boolean
  readonly #shared: Headers
  readonly #ends: { local: string; remote: string }
  /** What is logged of this request. */
  audit: AuditEvent | undefined
  /** Called when an answer that lives long has begun. */
  onBegin: () => void = () => {}

  constructor(request: ApiRequest, response: ApiResponse, query: URLSearchParams, facts: ResponderFacts) {
    this.response = response
    this.#ends = { local: facts.local, remote: facts.remote }
    this.#request = request
    const asked = query.get('pretty')
    const agent = String(request.headers['user-agent'] ?? '')
    this.#pretty = asked === null ? PRETTY_AGENTS.test(agent) : asked !== '0' && asked !== 'false'
    this.#shared = { 'Audit-Id': facts.auditId, 'Cache-Control': 'no-cache, private' }
  }

  /** Says of bytes that pass on this connection which canaries they carry. */
  witness(bytes: Uint8Array | string): void {
    witnessCanaries(bytes, this.#ends)
  }

  /** Headers that a streamed answer begins with. */
  begin(code: number, headers: Headers): void {
    this.response.writeHead(code, { ...this.#shared, ...headers })
    this.audit?.respond(code)
    this.onBegin()
  }

  text(code: number, text: string, headers: Headers = {}): void {
    this.#send(code, Buffer.from(text), { 'Content-Type': 'text/plain; charset=utf-8', ...headers })
  }

  bytes(code: number, body: Buffer, headers: Headers): void {
    this.#send(code, body, headers)
  }

  /** net/http's own answer for a path that nobody serves. */
  pageNotFound(): void {
    this.text(404, '404 page not found\n', { 'X-Content-Type-Options': 'nosniff' })
  }

  status(status: Status, headers: Headers = {}): void {
    const seconds = status.details?.retryAfterSeconds
    const retry: Headers = seconds === undefined ? {} : { 'Retry-After': String(seconds) }
    const code = status.code ?? 200
    this.audit?.respond(code, status)
    const media = statusMedia(this.#request.headers.accept)
    if (media === PROTOBUF) this.#protobuf(code, { ...status }, { ...retry, ...headers })
    else this.json(code, status, { ...retry, ...headers })
  }

  json(code: number, value: object, headers: Headers = {}): void {
    const text = this.#pretty ? JSON.stringify(value, null, 2) : JSON.stringify(value)
    this.#send(code, Buffer.from(`${text}\n`), { 'Content-Type': 'application/json', ...headers })
  }

  /** An object, list or Status in the form that was negotiated. */
  async answer(
    code: number,
    body: KubeObject | KubeList | Status,
    { form, resource, query, warnings }: AnswerFacts,
  ): Promise<void> {
    const { warning } = resource.strategy
    const texts = warning === undefined ? warnings : [warning, ...warnings]
    const headers: Headers = texts.length === 0 ? {} : { Warning: texts.map((text) => `299 - ${JSON.stringify(text)}`) }
    this.audit?.respond(code, body)
    const shown = body.kind === 'Status' ? body : shaped(body as KubeObject | KubeList, form, resource, query)
    if (form.media === PROTOBUF) return this.#protobuf(code, shown as Typed, headers)
    if (form.media === 'application/json') return this.json(code, shown, headers)
    const { stringify } = await import('../../lib/settings/yaml.ts')
    this.#send(code, Buffer.from(stringify(shown)), { 'Content-Type': 'application/yaml', ...headers })
  }

  #protobuf(code: number, value: Typed, headers: Headers): void {
    this.#send(code, encodeEnvelope(value), { 'Content-Type': PROTOBUF, ...headers })
  }

  #send(code: number, body: Buffer, headers: Headers): void {
    const { response } = this
    if (response.headersSent || response.destroyed) return
    this.witness(body)
    const head = { ...this.#shared, ...headers, 'Content-Length': String(body.length) }
    response.writeHead(code, head)
    if (this.#request.method === 'HEAD') response.end()
    else response.end(body)
  }
}

/** The Status of whatever went wrong: a generic error is 500 without a reason, and its text. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 500 }
}

/** Members in the order of Go's structs, as far as every kind has them. */
export function ordered({ kind, apiVersion, metadata, ...rest }: KubeObject): KubeObject {
  return { kind, apiVersion, metadata: tidyMetadata(metadata), ...rest }
}

function isList(body: KubeObject | KubeList): body is KubeList {
  return Array.isArray((body as KubeList).items) && body.kind.endsWith('List')
}

function shaped(body: KubeObject | KubeList, form: AcceptedForm, resource: Resource, query: URLSearchParams): object {
  const { as } = form
  const list = isList(body)
  const objects = (list ? body.items : [body]).map(ordered)
  if (as === 'Table') {
    const { resourceVersion } = body.metadata
    const metadata = list ? body.metadata : { ...(resourceVersion !== undefined && { resourceVersion }) }
    return tableOf(resource, objects, { include: includeObjectOf(query.get('includeObject')), metadata })
  }
  if (as === 'PartialObjectMetadataList') {
    const items = objects.length > 0 ? objects.map(partialMetadata) : null
    if (list) return { kind: as, apiVersion: META_VERSION, metadata: body.metadata, items }
    throw notAList(resource)
  }
  if (as === 'PartialObjectMetadata') {
    const [object] = objects
    if (!list && object) return partialMetadata(object)
    throw notAnObject(resource)
  }
  return list ? { ...body, items: objects.map(listItem) } : (objects[0] ?? body)
}

function internalName({ group, kind }: Resource, suffix = ''): string {
  return `*${group === '' ? 'core' : (group.split('.')[0] ?? '')}.${kind}${suffix}`
}

function notAList(resource: Resource): StatusError {
  const message = `you requested PartialObjectMetadataList, but the requested object is not a list (${internalName(resource)})`
  return new StatusError(406, 'NotAcceptable', message)
}

function notAnObject(resource: Resource): StatusError {
  const message = `you requested PartialObjectMetadata, but the requested object is a list (${internalName(resource, 'List')})`
  return new StatusError(406, 'NotAcceptable', message)
}

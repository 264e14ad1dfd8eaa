/** The object in a request's body: apimachinery/pkg/runtime/serializer/json, apiserver/pkg/endpoints/handlers/create.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, StatusError } from '../../../lib/kube/status.ts'
import type { ApiRequest } from '../contract.ts'
import { goJsonError } from './go-json.ts'
import { conform, TypeMismatch } from '../schema/conform.ts'
import { messageOfKind } from '../schema/message-fields.ts'
import { decodeEnvelope, UndescribedKind } from '../storage/codec.ts'
import { bodyMedia } from './negotiation.ts'
import { apiVersionOf } from './resource.ts'

export const MOST_BODY_BYTES = 3 * 1024 * 1024
const DEEPEST = 10_000
const SHOWN_BYTES = 32

/** The whole body. Throws 413 for more than 3 MiB; the rest is then not read. */
export async function readBody(request: ApiRequest): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MOST_BODY_BYTES) {
      const message = `Request entity too large: limit is ${MOST_BODY_BYTES}`
      throw new StatusError(413, 'RequestEntityTooLarge', message)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export interface ExpectedKind {
  group: string
  version: string
  kind: string
}

/** Told of members that the kind does not have: `unknown field "spec.nope"`. */
export type OnStrictErrors = (errors: readonly string[], refuse: (why: string) => StatusError) => void

/** Kind and apiVersion may be left out; others than the expected ones are refused. Unknown members are dropped. */
export async function decodeBody(
  body: Buffer,
  contentType: string | undefined,
  expected: ExpectedKind,
  onStrictErrors: OnStrictErrors = () => {},
): Promise<KubeObject> {
  const unrecognized = (why: string): StatusError =>
    badRequest(`the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${shownBytes(body)})`)
  const unregistered = (error: UndescribedKind): StatusError => cannotBe(error, expected, error.message)
  const value = await parseBody(body, bodyMedia(contentType), unrecognized, unregistered)
  if (typeof value !== 'object' || Array.isArray(value)) {
    const type = Array.isArray(value) ? 'array' : typeof value
    throw unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${type} into Go value of type struct`,
    )
  }
  const object = (withoutNulls(value) ?? {}) as Partial<KubeObject>
  const apiVersion = apiVersionOf(expected)
  assertKind(object, apiVersion, expected)
  return typed({ ...object, kind: expected.kind, apiVersion }, expected, onStrictErrors)
}

function typed(object: Partial<KubeObject>, expected: ExpectedKind, onStrictErrors: OnStrictErrors): KubeObject {
  const message = messageOfKind(apiVersionOf(expected), expected.kind)
  if (!message) throw new Error(`[message_unknown] ${expected.kind}: its fields are not described`)
  const refuse = (why: string): StatusError => cannotBe(object, expected, why)
  try {
    const { members, unknown } = conform(object, message)
    const errors = unknown.map((path) => `unknown field ${JSON.stringify(path)}`)
    if (errors.length > 0) onStrictErrors(errors, refuse)
    return { ...members, metadata: members['metadata'] ?? {} } as KubeObject
  } catch (error) {
    throw error instanceof TypeMismatch ? refuse(error.message) : error
  }
}

function assertKind(object: Partial<KubeObject>, apiVersion: string, expected: ExpectedKind): void {
  const said = { kind: object.kind || expected.kind, apiVersion: object.apiVersion || apiVersion }
  if (said.apiVersion !== apiVersion) {
    const scheme = 'in scheme "pkg/runtime/scheme.go:111"'
    throw cannotBe(said, expected, `no kind "${said.kind}" is registered for version "${said.apiVersion}" ${scheme}`)
  }
  if (said.kind !== expected.kind) {
    const internal = expected.group === '' ? 'core' : (expected.group.split('.')[0] ?? '')
    const why = `converting (${expected.version}.${said.kind}) to (${internal}.${expected.kind}): unknown conversion`
    throw cannotBe(said, expected, why)
  }
}

function cannotBe(said: { kind?: string; apiVersion?: string }, expected: ExpectedKind, why: string): StatusError {
  const kind = said.kind || expected.kind
  const version = said.apiVersion || apiVersionOf(expected)
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${expected.kind}: ${why}`)
}

async function parseBody(
  body: Buffer,
  media: string,
  unrecognized: (why: string) => StatusError,
  unregistered: (error: UndescribedKind) => StatusError,
): Promise<unknown> {
  if (media === 'application/vnd.kubernetes.protobuf') {
    try {
      return decodeEnvelope(body)
    } catch (error) {
      throw error instanceof UndescribedKind ? unregistered(error) : unrecognized((error as Error).message)
    }
  }
  const text = body.toString()
  if (media === 'application/yaml') return parseYaml(text, unrecognized)
  if (depthOf(text) > DEEPEST) throw unrecognized("couldn't get version/kind; json parse error: exceeded max depth")
  const wrong = goJsonError(text)
  if (wrong !== undefined) throw unrecognized(`couldn't get version/kind; json parse error: ${wrong}`)
  return JSON.parse(text)
}

async function parseYaml(text: string, unrecognized: (why: string) => StatusError): Promise<unknown> {
  const { parse } = await import('../../../lib/settings/yaml.ts')
  try {
    return parse(text)
  } catch (error) {
    const { message } = error as Error
    const why = /alias/i.test(message) ? 'document contains excessive aliasing' : (message.split('\n')[0] ?? '')
    throw unrecognized(`yaml: ${why}`)
  }
}

/** How deep brackets nest; counted only where there are enough of them. */
function depthOf(text: string): number {
  if (text.length < DEEPEST) return 0
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') while (++at < text.length && text[at] !== '"') at += text[at] === '\\' ? 1 : 0
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth)
    else if (character === ']' || character === '}') depth--
  }
  return deepest
}

/** As the server shows a body it does not know: text, or hex where it is none. */
function shownBytes(body: Buffer): string {
  if (body.length === 0) return '<empty>'
  const start = body.subarray(0, SHOWN_BYTES)
  const more = body.length > SHOWN_BYTES ? ' ...' : ''
  const isText = start.every((byte) => byte >= 0x20 && byte < 0x7f)
  return `${isText ? start.toString('latin1') : start.toString('hex')}${more}`
}

/** JSON null is Go's zero value, which is to say nothing. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value ?? undefined
  const entries = Object.entries(value).filter(([, each]) => each !== null)
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutNulls(each)]))
}

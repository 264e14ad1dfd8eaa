/** The Status that Kubernetes answers with where there is no object to answer: apimachinery/pkg/api/errors/errors.go. */
import { goQuote } from './go-quote.ts'

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: object
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code?: number
}

/** A request's end other than success, with the Status that is its answer. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: Status

  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message)
    this.status = failure(code, reason, message, details)
  }

  get code(): number {
    return this.status.code ?? 500
  }
}

/** Members stand in the order of Go's struct, as kube-apiserver writes them. */
export function failure(code: number, reason: string, message: string, details?: StatusDetails): Status {
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message }
  if (reason !== '') status.reason = reason
  if (details !== undefined) status.details = details
  status.code = code
  return status
}

/** A kind of object as errors name it: `deployments.apps`, `pods`. */
export interface ErrorResource {
  group: string
  resource: string
}

function qualified({ group, resource }: ErrorResource): string {
  return group === '' ? resource : `${resource}.${group}`
}

function about({ group, resource }: ErrorResource, name: string): StatusDetails {
  const details: StatusDetails = {}
  if (name !== '') details.name = name
  if (group !== '') details.group = group
  details.kind = resource
  return details
}

export function notFound(what: ErrorResource, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${qualified(what)} ${goQuote(name)} not found`, about(what, name))
}

export function alreadyExists(what: ErrorResource, name: string): StatusError {
  return new StatusError(409, 'AlreadyExists', `${qualified(what)} ${goQuote(name)} already exists`, about(what, name))
}

export function conflict(what: ErrorResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(what)} ${goQuote(name)}: ${why}`
  return new StatusError(409, 'Conflict', message, about(what, name))
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message)
}

export function internalError(message: string): StatusError {
  return new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
}

export const UNAUTHORIZED: Status = failure(401, 'Unauthorized', 'Unauthorized')

/** One rule that a field breaks, in the words of apimachinery/pkg/util/validation/field. */
export interface FieldError {
  reason: `FieldValue${'Required' | 'Invalid' | 'NotSupported' | 'Duplicate' | 'Forbidden' | 'TooLong' | 'NotFound' | 'TypeInvalid'}`
  field: string
  /** Without the field in front: `Required value: name or generateName is required`. */
  message: string
}

/** 422. `kind` is the object's kind, its group the kind's: `Pod "x" is invalid: ...`. */
export function invalid(kind: string, group: string, name: string, errors: readonly FieldError[]): StatusError {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))]
  const said = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const details: StatusDetails = {}
  if (name !== '') details.name = name
  if (group !== '') details.group = group
  details.kind = kind
  details.causes = errors.map(({ reason, field, message }) => ({ reason, message, field }))
  const title = `${group === '' ? kind : `${kind}.${group}`} ${goQuote(name)} is invalid`
  return new StatusError(422, 'Invalid', errors.length === 0 ? title : `${title}: ${said}`, details)
}

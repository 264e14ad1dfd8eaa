/** The options of writes, from query and body: apimachinery/pkg/apis/meta/v1/validation. */
import { badRequest, invalid } from '../../../lib/kube/status.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import type { ApiCall } from './api-call.ts'
import { forbidden, notSupported, required } from './field-errors.ts'
import { decodeBody } from './request-body.ts'

export interface WriteOptions {
  dryRun: boolean
}

const FIELD_VALIDATIONS = ['', 'Ignore', 'Strict', 'Warn']
const PROPAGATION_POLICIES = ['Foreground', 'Background', 'Orphan', 'nil']

function refuse(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(kind, 'meta.k8s.io', '', errors)
}

function dryRunErrors(values: readonly string[]): FieldError[] {
  return values.every((value) => value === 'All') ? [] : [notSupported('dryRun', values, ['All'])]
}

function writeErrors(query: URLSearchParams): FieldError[] {
  const errors = dryRunErrors(query.getAll('dryRun'))
  const validation = query.get('fieldValidation') ?? ''
  if (!FIELD_VALIDATIONS.includes(validation))
    errors.push(notSupported('fieldValidation', validation, FIELD_VALIDATIONS))
  return errors
}

export function createOptions(query: URLSearchParams): WriteOptions {
  refuse('CreateOptions', writeErrors(query))
  return { dryRun: query.has('dryRun') }
}

export function updateOptions(query: URLSearchParams): WriteOptions {
  refuse('UpdateOptions', writeErrors(query))
  return { dryRun: query.has('dryRun') }
}

export function patchOptions(query: URLSearchParams, isApply: boolean): WriteOptions {
  const errors = writeErrors(query)
  if (isApply && !query.get('fieldManager')) errors.push(required('fieldManager', 'is required for apply patch'))
  if (!isApply && query.has('force')) errors.push(forbidden('force', 'may not be specified for non-apply patch'))
  refuse('PatchOptions', errors)
  return { dryRun: query.has('dryRun') }
}

export interface DeleteOptions extends WriteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: string
  uid?: string
  resourceVersion?: string
}

interface DeleteBody {
  gracePeriodSeconds?: number
  propagationPolicy?: string
  orphanDependents?: boolean
  dryRun?: string[]
  preconditions?: { uid?: string; resourceVersion?: string }
}

export async function deleteOptions({ query, body, contentType }: ApiCall): Promise<DeleteOptions> {
  const bytes = await body()
  const expected = { group: '', version: 'v1', kind: 'DeleteOptions' }
  const said: DeleteBody = bytes.length === 0 ? fromQuery(query) : await decodeDelete(bytes, contentType, expected)
  const dryRun = said.dryRun ?? query.getAll('dryRun')
  const errors = dryRunErrors(dryRun)
  const policy = said.propagationPolicy ?? (said.orphanDependents === true ? 'Orphan' : undefined)
  if (policy !== undefined && !PROPAGATION_POLICIES.includes(policy)) {
    errors.push(notSupported('propagationPolicy', policy, PROPAGATION_POLICIES))
  }
  refuse('DeleteOptions', errors)
  const { uid, resourceVersion } = said.preconditions ?? {}
  return {
    dryRun: dryRun.length > 0,
    ...(said.gracePeriodSeconds !== undefined && { gracePeriodSeconds: said.gracePeriodSeconds }),
    ...(policy !== undefined && { propagationPolicy: policy }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  }
}

// the options' own apiVersion may be that of the resource's group
async function decodeDelete(
  bytes: Buffer,
  contentType: string | undefined,
  expected: { group: string; version: string; kind: string },
): Promise<DeleteBody> {
  const said = bytes.toString().replace(/"apiVersion"\s*:\s*"[^"]*"\s*,?/, '')
  return (await decodeBody(Buffer.from(said), contentType, expected)) as DeleteBody
}

function fromQuery(query: URLSearchParams): DeleteBody {
  const grace = query.get('gracePeriodSeconds')
  const policy = query.get('propagationPolicy')
  return {
    ...(grace !== null && { gracePeriodSeconds: integerOf(grace) }),
    ...(policy !== null && { propagationPolicy: policy }),
  }
}

/** Throws 400 with strconv's words. */
export function integerOf(text: string): number {
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

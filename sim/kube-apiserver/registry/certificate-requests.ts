/** CertificateSigningRequests: pkg/registry/certificates/certificates/strategy.go, pkg/apis/certificates/validation. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import { parseCertificateRequest } from '../../../lib/x509/certificate-request.ts'
import type { CertificateRequest } from '../../../lib/x509/certificate-request.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { pemBlocks } from '../../../lib/x509/pem.ts'
import { duplicate, forbidden, invalidValue, notSupported, required } from './field-errors.ts'
import { now } from './metadata.ts'
import { subdomainErrors } from './names.ts'
import type { Strategy } from './resource.ts'

interface Spec {
  request?: string
  signerName?: string
  expirationSeconds?: number
  usages?: string[] | null
  username?: string
}

interface Condition {
  type?: string
  status?: string
  lastUpdateTime?: string | null
  lastTransitionTime?: string | null
}

interface Status {
  conditions?: Condition[]
  certificate?: string
}

const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown'
const SHORTEST_SECONDS = 600
const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]
/** Conditions that are only ever true, and that nobody takes back. */
const DECISIONS = ['Approved', 'Denied', 'Failed']

function specOf(csr: KubeObject): Spec {
  return (csr['spec'] as Spec | undefined) ?? {}
}

function statusOf(csr: KubeObject): Status {
  return (csr['status'] as Status | undefined) ?? {}
}

/** @throws Error with the text that the field's error carries. */
export function requestOf(csr: KubeObject): CertificateRequest {
  const [block] = pemBlocks(Buffer.from(specOf(csr).request ?? '', 'base64'))
  if (block?.label !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  return parseCertificateRequest(block.der)
}

export const certificateRequestStrategy: Strategy = {
  hasStatus: true,
  // "We don't care what you call your certificate requests": kubelets name theirs by a digest in base64url
  nameErrors: () => [],
  prepareCreate(csr, user) {
    csr['spec'] = { ...specOf(csr), ...whoAsks(user) }
    csr['status'] = {}
  },
  prepareUpdate: (csr, old) => void (csr['spec'] = old['spec']),
  prepareStatusUpdate(csr, old) {
    csr['spec'] = old['spec']
    csr['status'] = withTimes(statusOf(csr), statusOf(old))
  },
  prepareSubresource: {
    approval(csr, old) {
      const { certificate } = statusOf(old)
      const { certificate: _, ...status } = statusOf(csr)
      csr['spec'] = old['spec']
      csr['status'] = withTimes({ ...status, ...(certificate !== undefined && { certificate }) }, statusOf(old))
    },
  },
  validate: (csr) => [...specErrors(specOf(csr), csr), ...statusErrors(statusOf(csr))],
  validateSubresource: {
    '': (csr, old) => removedErrors(csr, old),
    status: (csr, old) => [...removedErrors(csr, old), ...addedErrors(csr, old)],
    approval: (csr, old) => removedErrors(csr, old),
  },
  selectableFields: { 'spec.signerName': (csr) => specOf(csr).signerName ?? '' },
}

/** What a client says of itself is not asked. */
function whoAsks({ username, uid, groups, extra }: User): object {
  return { username, uid: uid ?? '', groups, extra: extra ?? {} }
}

function withTimes(status: Status, old: Status): Status {
  if (!status.conditions) return status
  const time = now()
  const conditions = status.conditions.map((condition) => {
    const before = old.conditions?.find(({ type, status: was }) => type === condition.type && was === condition.status)
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? time,
      lastTransitionTime: condition.lastTransitionTime ?? before?.lastTransitionTime ?? time,
    }
  })
  return { ...status, conditions }
}

function specErrors(spec: Spec, csr: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const refused = requestError(csr)
  if (refused !== undefined) errors.push(invalidValue('spec.request', spec.request || undefined, refused))
  const usages = spec.usages ?? []
  if (usages.length === 0) errors.push(required('spec.usages'))
  for (const [index, usage] of usages.entries()) {
    if (!USAGES.includes(usage)) errors.push(notSupported(`spec.usages[${index}]`, usage, USAGES))
  }
  for (const [index, usage] of usages.entries()) {
    if (usages.indexOf(usage) < index) errors.push(duplicate(`spec.usages[${index}]`, usage))
  }
  errors.push(...signerErrors(spec.signerName ?? ''))
  const { expirationSeconds } = spec
  if (expirationSeconds !== undefined && expirationSeconds < SHORTEST_SECONDS) {
    const rule = 'may not specify a duration less than 600 seconds (10 minutes)'
    errors.push(invalidValue('spec.expirationSeconds', expirationSeconds, rule))
  }
  return errors
}

function requestError(csr: KubeObject): string | undefined {
  try {
    return requestOf(csr).signatureError
  } catch (error) {
    return (error as Error).message
  }
}

function signerErrors(name: string): FieldError[] {
  const field = 'spec.signerName'
  if (name === LEGACY_SIGNER) {
    return [invalidValue(field, name, 'the legacy signerName is not allowed via this API version')]
  }
  if (name === '') return [required(field)]
  const [domain = '', path] = name.split('/')
  if (path === undefined || name.split('/').length !== 2) {
    const rule = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
    return [invalidValue(field, name, rule)]
  }
  const errors = subdomainErrors(domain).map((why) => invalidValue(field, domain, why))
  if (!domain.includes('.'))
    errors.push(invalidValue(field, domain, 'should be a domain with at least two segments separated by dots'))
  return [...errors, ...subdomainErrors(path).map((why) => invalidValue(field, path, why))]
}

function statusErrors({ conditions = [], certificate = '' }: Status): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { type = '', status = '' }] of conditions.entries()) {
    const path = `status.conditions[${index}]`
    const allowed = DECISIONS.includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (type === '') errors.push(required(`${path}.type`))
    if (status === '') errors.push(required(`${path}.status`))
    else if (!allowed.includes(status)) errors.push(notSupported(`${path}.status`, status, allowed))
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined
    if (opposite !== undefined && seen.has(opposite)) {
      errors.push(invalidValue('status.conditions', type, 'Approved and Denied conditions are mutually exclusive'))
    }
    if (seen.has(type)) errors.push(duplicate(`${path}.type`, type))
    seen.add(type)
  }
  const refused = certificate === '' ? undefined : certificateError(certificate)
  if (refused !== undefined) errors.push(invalidValue('status.certificate', '<certificate data>', refused))
  return errors
}

/** One or more certificates, and no other block. */
function certificateError(base64: string): string | undefined {
  const blocks = pemBlocks(Buffer.from(base64, 'base64'))
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block'
  for (const { label, der, hasHeaders } of blocks) {
    if (label !== 'CERTIFICATE') return 'only CERTIFICATE PEM blocks are allowed, found ' + JSON.stringify(label)
    if (hasHeaders) return 'no PEM block headers are permitted'
    try {
      parseCertificate(der)
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}

function removedErrors(csr: KubeObject, old: KubeObject): FieldError[] {
  const errors = DECISIONS.filter((type) => has(old, type) && !has(csr, type)).map((type) =>
    forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`),
  )
  const { certificate: before } = statusOf(old)
  if (before && !isDeepStrictEqual(before, statusOf(csr).certificate)) {
    errors.push(
      forbidden('status.certificate', 'updates may not set certificate content if existing certificate content'),
    )
  }
  return errors
}

function addedErrors(csr: KubeObject, old: KubeObject): FieldError[] {
  return ['Approved', 'Denied']
    .filter((type) => has(csr, type) && !has(old, type))
    .map((type) => forbidden('status.conditions', `updates may not add a condition of type ${JSON.stringify(type)}`))
}

function has(csr: KubeObject, type: string): boolean {
  return (statusOf(csr).conditions ?? []).some((condition) => condition.type === type)
}

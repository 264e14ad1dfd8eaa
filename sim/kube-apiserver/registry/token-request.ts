/** serviceaccounts/token: pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount/claims.go. */
import { randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { signJwt } from '../../../lib/kube/jwt.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { serviceAccountUsername } from '../../../lib/kube/service-account-user.ts'
import { badRequest, conflict, invalid, notFound } from '../../../lib/kube/status.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { invalidValue } from './field-errors.ts'
import { now } from './metadata.ts'
import { podSpecOf } from './pods.ts'
import { decodeBody } from './request-body.ts'
import { errorResourceOf } from './resource.ts'
import { findResource } from './resources.ts'
import { createOptions } from './write-options.ts'

export interface TokenIssuer {
  /** --service-account-signing-key-file. */
  key: KeyObject
  /** The first of --service-account-issuer. */
  issuer: string
  /** --api-audiences: what a request without audiences gets. */
  apiAudiences: readonly string[]
  /** --service-account-extend-token-expiration. */
  extends: boolean
  /** --service-account-max-token-expiration; 0: no limit. */
  longestMs: number
}

const DEFAULT_SECONDS = 3600
const SHORTEST_SECONDS = 600
const LONGEST_SECONDS = 2 ** 32
/** The odd number that the ServiceAccount plugin asks for marks a token that may be extended to a year. */
const EXTENDED_FROM_SECONDS = 3607
const YEAR_SECONDS = 365 * 24 * 3600
const TOKEN_REQUEST = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' }

interface BoundReference {
  kind?: string
  apiVersion?: string
  name?: string
  uid?: string
}

interface TokenSpec {
  audiences?: string[] | null
  expirationSeconds?: number | null
  boundObjectRef?: BoundReference | null
}

export async function requestToken(call: ApiCall, context: RegistryContext, issuer: TokenIssuer): Promise<Answer> {
  const { resource, info, query } = call
  createOptions(query)
  const request = await decodeBody(await call.body(), call.contentType, TOKEN_REQUEST)
  const spec = (request['spec'] ?? {}) as TokenSpec
  call.audit?.request({
    ...request,
    spec: { audiences: null, ...spec, expirationSeconds: spec.expirationSeconds ?? DEFAULT_SECONDS },
    status: { token: '', expirationTimestamp: null },
  })
  const asked = admissionRequest(call, 'CREATE', { object: request })
  assertAdmitted(context.admission.mutate(asked))
  const account = (await context.store.get(resource, info.namespace, info.name))?.object
  if (!account) throw notFound(errorResourceOf(resource), info.name)
  assertAdmitted(context.admission.validate(asked))
  const errors = durationErrors(spec)
  if (errors.length > 0) throw invalid(TOKEN_REQUEST.kind, TOKEN_REQUEST.group, '', errors)
  const { boundObjectRef } = spec
  const bound = boundObjectRef ? await boundObject(call, context, account, boundObjectRef) : undefined
  const audiences = spec.audiences?.length ? spec.audiences : [...issuer.apiAudiences]
  const seconds = cappedSeconds(spec.expirationSeconds ?? DEFAULT_SECONDS, issuer)
  const { claims, expires } = claimsOf({ account, audiences, seconds, bound, issuer, context })
  call.audit?.annotate(
    'authentication.kubernetes.io/issued-credential-id',
    `JTI=${String((claims as { jti?: string }).jti)}`,
  )
  const body: KubeObject = {
    kind: TOKEN_REQUEST.kind,
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: info.name, namespace: info.namespace, uid: randomUUID(), creationTimestamp: now() },
    spec: {
      audiences,
      expirationSeconds: seconds,
      boundObjectRef: spec.boundObjectRef ? orderedReference(spec.boundObjectRef) : null,
    },
    status: { token: signJwt(claims, issuer.key), expirationTimestamp: rfc3339(expires) },
  }
  return { code: 201, body }
}

function orderedReference({ kind, apiVersion, name, uid }: BoundReference): BoundReference {
  return { ...(kind && { kind }), ...(apiVersion && { apiVersion }), ...(name && { name }), ...(uid && { uid }) }
}

function durationErrors(spec: TokenSpec): FieldError[] {
  const expirationSeconds = spec.expirationSeconds ?? DEFAULT_SECONDS
  const refuse = (why: string): FieldError[] => [invalidValue('spec.expirationSeconds', expirationSeconds, why)]
  if (expirationSeconds < SHORTEST_SECONDS) return refuse('may not specify a duration less than 10 minutes')
  return expirationSeconds > LONGEST_SECONDS ? refuse('may not specify a duration larger than 2^32 seconds') : []
}

function cappedSeconds(seconds: number, { longestMs }: TokenIssuer): number {
  return longestMs > 0 ? Math.min(seconds, Math.floor(longestMs / 1000)) : seconds
}

interface Bound {
  member: 'pod' | 'secret' | 'node'
  object: KubeObject
}

const BINDABLE: Record<string, Bound['member']> = { Pod: 'pod', Secret: 'secret', Node: 'node' }

async function boundObject(
  call: ApiCall,
  { store }: RegistryContext,
  account: KubeObject,
  reference: BoundReference,
): Promise<Bound> {
  const { kind = '', apiVersion = '', name = '', uid = '' } = reference
  const member = apiVersion === 'v1' ? BINDABLE[kind] : undefined
  if (!member) {
    const [version = '', group = ''] = apiVersion.split('/').toReversed()
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`)
  }
  const resource = findResource('', 'v1', `${member}s`)
  if (!resource) throw new Error(`[resource_table] ${member}s: not in the table`)
  const object = (await store.get(resource, call.info.namespace, name))?.object
  if (!object) throw notFound(errorResourceOf(resource), name)
  const running = member === 'pod' ? (podSpecOf(object).serviceAccountName ?? '') : account.metadata.name
  if (running !== account.metadata.name) {
    const said = `cannot bind token for serviceaccount "${account.metadata.name}" to pod running with different serviceaccount name.`
    throw badRequest(said)
  }
  if (uid !== '' && uid !== object.metadata.uid) {
    const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`
    throw conflict({ group: '', resource: kind }, name, why)
  }
  return { member, object }
}

interface ClaimFacts {
  account: KubeObject
  audiences: readonly string[]
  seconds: number
  bound: Bound | undefined
  issuer: TokenIssuer
  context: RegistryContext
}

function claimsOf({ account, audiences, seconds, bound, issuer, context }: ClaimFacts): {
  claims: object
  expires: number
} {
  const issued = Math.floor(Date.now() / 1000)
  const { namespace = '', name = '' } = account.metadata
  const extended =
    issuer.extends &&
    bound?.member === 'pod' &&
    seconds === EXTENDED_FROM_SECONDS &&
    audiences.length === issuer.apiAudiences.length &&
    audiences.every((audience) => issuer.apiAudiences.includes(audience))
  const claims = {
    aud: audiences,
    exp: issued + (extended ? YEAR_SECONDS : seconds),
    iat: issued,
    iss: issuer.issuer,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      ...(bound && boundClaims(bound, context)),
      serviceaccount: referenceOf(account),
      ...(extended && { warnafter: issued + EXTENDED_FROM_SECONDS }),
    },
    nbf: issued,
    sub: serviceAccountUsername(namespace, name),
  }
  return { claims, expires: issued + seconds }
}

/** A Pod's token also tells its node. */
function boundClaims({ member, object }: Bound, { cache }: RegistryContext): object {
  const node = member === 'pod' ? podSpecOf(object).nodeName : undefined
  const found = node ? cache.get('nodes', '', node) : undefined
  const told = found ? referenceOf(found) : { name: node }
  return { ...(node && { node: told }), [member]: referenceOf(object) }
}

function referenceOf({ metadata: { name, uid } }: KubeObject): object {
  return { name, uid }
}

function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
}

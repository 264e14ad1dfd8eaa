/** Resources that only answer: who a token is, who one is oneself, and what one may do. pkg/registry/{authentication,authorization}. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest } from '../../../lib/kube/status.ts'
import type { Authenticator } from '../authentication/authenticator.ts'
import { invalidAccessReview, reviewAccess, reviewRules } from '../authorization/access-review.ts'
import type { AccessReviewKind } from '../authorization/access-review.ts'
import type { AuthorizationMode, Authorize } from '../authorization/authorizer.ts'
import { admissionRequest, assertAdmitted } from './api-call.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { now } from './metadata.ts'
import { decodeBody } from './request-body.ts'
import { createOptions } from './write-options.ts'

export interface Reviewers {
  authenticator: Authenticator
  authorize: Authorize
  modes: readonly AuthorizationMode[]
}

const ACCESS_REVIEWS: readonly string[] = ['SubjectAccessReview', 'SelfSubjectAccessReview', 'LocalSubjectAccessReview']

export async function review(call: ApiCall, context: RegistryContext, reviewers: Reviewers): Promise<Answer> {
  const { resource, info, user } = call
  createOptions(call.query)
  const object = await decodeBody(await call.body(), call.contentType, resource)
  call.audit?.request(object)
  const asked = admissionRequest(call, 'CREATE', { object })
  assertAdmitted(context.admission.mutate(asked) ?? context.admission.validate(asked))
  const { kind, apiVersion } = object
  const answer = (metadata: object, spec: unknown, status: object): Answer => ({
    code: 201,
    body: { kind, apiVersion, metadata, ...(spec !== undefined && { spec }), status } as KubeObject,
  })
  if (kind === 'TokenReview') return answer({}, object['spec'] ?? {}, tokenStatus(object, reviewers))
  if (kind === 'SelfSubjectReview') return answer({ creationTimestamp: now() }, undefined, { userInfo: user })
  if (kind === 'SelfSubjectRulesReview') {
    const { namespace = '' } = (object['spec'] ?? {}) as { namespace?: string }
    if (namespace === '') throw badRequest('no namespace on request')
    return answer({}, {}, reviewRules(context.cache, reviewers.modes, user, namespace))
  }
  if (!isAccessReview(kind)) throw new Error(`[review_kind] ${kind}: not in the table`)
  const refused = invalidAccessReview(kind, object, info.namespace)
  if (refused) throw refused
  const metadata = kind === 'LocalSubjectAccessReview' ? { namespace: info.namespace } : {}
  return answer(metadata, object['spec'], reviewAccess(reviewers.authorize, kind, object, user))
}

function isAccessReview(kind: string): kind is AccessReviewKind {
  return ACCESS_REVIEWS.includes(kind)
}

function tokenStatus(object: KubeObject, { authenticator }: Reviewers): object {
  const { token = '', audiences } = (object['spec'] ?? {}) as { token?: string; audiences?: string[] }
  if (token === '') throw badRequest('token is required for TokenReview in authentication')
  const said = authenticator.reviewToken(token, audiences?.length ? audiences : undefined)
  if ('error' in said) return { user: {}, error: said.error }
  return { authenticated: true, user: said.user, ...(said.audiences.length > 0 && { audiences: said.audiences }) }
}

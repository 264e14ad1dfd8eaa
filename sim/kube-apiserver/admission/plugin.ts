/** What an admission plugin sees of a request and may say to it: apiserver/pkg/admission. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { failure, notFound } from '../../../lib/kube/status.ts'
import type { Status, StatusCause, StatusDetails } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { Authorize } from '../authorization/authorizer.ts'
import { forbiddenText } from '../authorization/forbidden-message.ts'
import type { ObjectCache, RequestInfo } from '../contract.ts'
import type { PodSecuritySettings } from './pod-security/policy.ts'

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

export interface AdmissionRequest {
  operation: AdmissionOperation
  request: RequestInfo
  user: User
  /** The object to be written; a plugin may change it. Absent on DELETE and CONNECT. */
  object?: KubeObject
  /** The object as stored; present on UPDATE and DELETE. */
  oldObject?: KubeObject
  /** A text for the Warning headers of the answer. */
  warn?: (text: string) => void
  /** An annotation of the audit event. */
  annotate?: (key: string, value: string) => void
}

export interface AdmissionRefusal {
  plugin: string
  /** RBAC's own check on what a role grants is no plugin, but refuses at the same place. */
  layer: 'admission' | '403-rbac'
  status: Status
}

export interface AdmissionContext {
  objects: ObjectCache
  authorize: Authorize
  /** The store's own word on a namespace; absent where there is nothing behind `objects`. */
  hasNamespace?: (name: string) => Promise<boolean>
  /** Minor version that the server stands for; 36 where nobody says. */
  minorVersion?: number
  /** Defaults and exemptions of Pod Security; without them it is up to the namespaces' labels. */
  podSecurity?: PodSecuritySettings
}

type Judge = (admission: AdmissionRequest, context: AdmissionContext) => AdmissionRefusal | undefined

export interface AdmissionPlugin {
  name: string
  /** Waits for a cache that is behind, before `mutate` of a create. */
  ready?: (admission: AdmissionRequest, context: AdmissionContext) => Promise<void>
  /** May change the object; before the registry validates it. */
  mutate?: Judge
  /** Sees the object as it would be stored. */
  validate?: Judge
}

/** `<resource> "<name>" is forbidden: <text>`, 403; the name is the object's where the URL has none. */
export function forbid(
  plugin: string,
  { request, object }: AdmissionRequest,
  text: string,
  causes?: StatusCause[],
): AdmissionRefusal {
  const name = request.name || object?.metadata.name || object?.metadata.generateName || 'Unknown'
  const details: StatusDetails = { name }
  if (request.apiGroup !== '') details.group = request.apiGroup
  details.kind = request.resource
  if (causes) details.causes = causes
  return {
    plugin,
    layer: 'admission',
    status: failure(403, 'Forbidden', forbiddenText({ ...request, name }, text), details),
  }
}

/** 404 for an object that a plugin looked for; `kind` is what the real text says, which is not always a resource's name. */
export function missing(plugin: string, kind: string, name: string): AdmissionRefusal {
  return { plugin, layer: 'admission', status: notFound({ group: '', resource: kind }, name).status }
}

/** The name a request is about: the URL's, or the object's where a create has none in its URL. */
export function requestedName({ request, object }: AdmissionRequest): string {
  return request.name || object?.metadata.name || ''
}

/** `resource.group`, the group left out for the core one. */
export function groupResource(request: RequestInfo): string {
  return request.apiGroup === '' ? request.resource : `${request.resource}.${request.apiGroup}`
}

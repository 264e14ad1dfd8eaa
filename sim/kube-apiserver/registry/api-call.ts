/** One authorised request for a resource, and what comes of it. */
import type { KubeList, KubeObject } from '../../../lib/kube/object.ts'
import type { Status } from '../../../lib/kube/status.ts'
import { StatusError } from '../../../lib/kube/status.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { Admission } from '../admission/admission.ts'
import type { AdmissionRefusal, AdmissionRequest } from '../admission/plugin.ts'
import type { AuditEvent } from '../audit/audit-log.ts'
import type { RequestInfo } from '../contract.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import type { WatchCache } from '../storage/watch-cache.ts'
import type { Resource } from './resource.ts'

export interface ApiCall {
  resource: Resource
  info: RequestInfo
  user: User
  query: URLSearchParams
  contentType: string | undefined
  body: () => Promise<Buffer>
  /** Told of what was asked for, once it is decoded. */
  audit: Pick<AuditEvent, 'request' | 'annotate'> | undefined
  /** Texts of Warning headers that the answer is to carry. */
  warnings: string[]
}

export interface Answer {
  code: number
  body: KubeObject | KubeList | Status
}

/** What the handlers of the registry work on. */
export interface RegistryContext {
  store: ObjectStore
  cache: WatchCache
  admission: Admission
  /** The first of --service-cluster-ip-range. */
  serviceRange: string
}

/** An admission plugin's refusal, on its way to the answer; the layer is for the witness. */
export class AdmissionError extends StatusError {
  readonly refusal: AdmissionRefusal

  constructor(refusal: AdmissionRefusal) {
    const { code = 500, reason = '', message = '', details } = refusal.status
    super(code, reason, message, details)
    this.refusal = refusal
  }
}

export function assertAdmitted(refusal: AdmissionRefusal | undefined): void {
  if (refusal) throw new AdmissionError(refusal)
}

export function admissionRequest(
  { info, user, audit, warnings }: Pick<ApiCall, 'info' | 'user'> & Partial<Pick<ApiCall, 'audit' | 'warnings'>>,
  operation: AdmissionRequest['operation'],
  objects: Pick<AdmissionRequest, 'object' | 'oldObject'>,
): AdmissionRequest {
  return {
    operation,
    request: info,
    user,
    ...objects,
    // a write that is tried again is judged again
    warn: (text) => void (warnings?.includes(text) || warnings?.push(text)),
    annotate: (key, value) => audit?.annotate(key, value),
  }
}

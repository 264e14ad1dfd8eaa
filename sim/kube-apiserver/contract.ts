/** What the rooms of kube-apiserver say to each other: who asks, for what, and what the cluster holds. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { KubeObject } from '../../lib/kube/object.ts'
import type { User } from '../../lib/kube/user.ts'

/** What a request asks for, as far as method and URL tell (apiserver/pkg/endpoints/request RequestInfo). */
export interface RequestInfo {
  /** `get`, `list`, `watch`, `create`, …; the lower-case method for a non-resource path, empty for an unknown method. */
  verb: string
  apiGroup: string
  apiVersion: string
  resource: string
  subresource: string
  namespace: string
  name: string
  /** Decoded once, `..` kept. */
  path: string
  isResourceRequest: boolean
  fieldSelector: string
  labelSelector: string
}

export interface AuthorizationDecision {
  decision: 'allow' | 'deny' | 'no-opinion'
  reason: string
  /** Whose word it is; of a refusal, whose reason is told. Decides between the layers 403-rbac and 403-node. */
  by: 'rbac' | 'node' | 'always-allow' | 'always-deny' | 'system:masters'
  error?: string
}

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED'

/**
 * Objects as the watch last told of them. Resources are plural names without their group; `namespace` is empty for what is
 * not in one. Objects are shared: nobody changes them. An unknown resource holds nothing.
 */
export interface ObjectCache {
  get(resource: string, namespace: string, name: string): KubeObject | undefined
  list(resource: string, namespace?: string): readonly KubeObject[]
  /** `old` is the object before a change. Called in the order of revisions, after the cache has taken the change in. */
  onChange(resource: string, listener: (type: ChangeType, object: KubeObject, old?: KubeObject) => void): void
}

export type ApiRequest = IncomingMessage | Http2ServerRequest
export type ApiResponse = ServerResponse | Http2ServerResponse

/** A request for pods/{exec,attach,portforward,log,proxy} or nodes/proxy that was authorised and goes on to a kubelet. */
export interface KubeletRequest {
  info: RequestInfo
  user: User
  request: ApiRequest
  /** The Pod or Node that the URL names. */
  object: KubeObject
  /** Where a plain answer goes; also a refusal of an upgrade that came by HTTP/2. */
  response?: ApiResponse
  /** An HTTP/1.1 upgrade: the client's socket and what it sent behind the head. */
  upgrade?: { socket: Duplex; head: Buffer }
}

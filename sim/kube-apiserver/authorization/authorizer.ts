/**
 * The authorizers of --authorization-mode in their order, behind the one that lets system:masters do everything.
 * pkg/kubeapiserver/authorizer, apiserver/pkg/authorization/union.
 */
import type { User } from '../../../lib/kube/user.ts'
import type { AuthorizationDecision, ObjectCache, RequestInfo } from '../contract.ts'
import { NodeAuthorizer } from './node-authorizer.ts'
import { NodeGraph } from './node-graph.ts'
import { authorizeByRbac } from './rbac-authorizer.ts'

export const AUTHORIZATION_MODES = ['Node', 'RBAC', 'AlwaysAllow', 'AlwaysDeny'] as const
export type AuthorizationMode = (typeof AUTHORIZATION_MODES)[number]

/** Says of one request what the server's authorizers say of it together. */
export type Authorize = (user: User, request: RequestInfo) => AuthorizationDecision

type Member = (user: User, request: RequestInfo) => AuthorizationDecision

/** `modes` as the flag lists them; without any, everything is allowed, as the real one has it (with a warning). */
export function createAuthorizer(modes: readonly AuthorizationMode[], objects: ObjectCache): Authorize {
  const members = [systemMasters, ...(modes.length === 0 ? [alwaysAllow] : modes.map((mode) => member(mode, objects)))]
  return (user, request) => {
    const reasons: string[] = []
    let by: AuthorizationDecision['by'] = 'rbac'
    for (const authorize of members) {
      const said = authorize(user, request)
      if (said.decision !== 'no-opinion') return said
      if (said.reason === '') continue
      reasons.push(said.reason)
      // the node authorizer's word on a node's request is what refused it, unless somebody allows it after all
      if (said.by === 'node') by = 'node'
    }
    return { decision: 'no-opinion', reason: reasons.join('\n'), by }
  }
}

function member(mode: AuthorizationMode, objects: ObjectCache): Member {
  if (mode === 'AlwaysAllow') return alwaysAllow
  if (mode === 'AlwaysDeny') return alwaysDeny
  if (mode === 'RBAC') {
    return (user, request) => {
      const { allowed, reason } = authorizeByRbac(objects, user, request)
      return { decision: allowed ? 'allow' : 'no-opinion', reason, by: 'rbac' }
    }
  }
  const node = new NodeAuthorizer(new NodeGraph().follow(objects))
  return (user, request) => {
    const answer = node.authorize(user, request)
    return answer.allowed
      ? { decision: 'allow', reason: '', by: 'node' }
      : { decision: 'no-opinion', reason: answer.reason, by: 'node' }
  }
}

const systemMasters: Member = (user) => ({
  decision: user.groups.includes('system:masters') ? 'allow' : 'no-opinion',
  reason: '',
  by: 'system:masters',
})

const alwaysAllow: Member = () => ({ decision: 'allow', reason: '', by: 'always-allow' })

// authorizerfactory/builtin.go: NoOpinion, not Deny
const alwaysDeny: Member = () => ({ decision: 'no-opinion', reason: 'Everything is forbidden.', by: 'always-deny' })

/** Whether a user is a kubelet, and whose: pkg/auth/nodeidentifier/default.go. Both the name and the group are needed. */
import type { User } from '../../../lib/kube/user.ts'

const PREFIX = 'system:node:'

/** The node's name, empty for the user `system:node:`; undefined for everybody who is no node. */
export function nodeIdentity(user: User): string | undefined {
  if (!user.username.startsWith(PREFIX) || !user.groups.includes('system:nodes')) return undefined
  return user.username.slice(PREFIX.length)
}

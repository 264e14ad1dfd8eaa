/** Who a request is, as Kubernetes names it (authentication.k8s.io/v1 UserInfo). */
export interface User {
  username: string
  uid?: string
  groups: string[]
  extra?: Record<string, string[]>
}

export const ANONYMOUS: User = { username: 'system:anonymous', groups: ['system:unauthenticated'] }

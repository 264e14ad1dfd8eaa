/** How a service account is named as a user: apiserver/pkg/authentication/serviceaccount/util.go. */
const PREFIX = 'system:serviceaccount:'

export function serviceAccountUsername(namespace: string, name: string): string {
  return `${PREFIX}${namespace}:${name}`
}

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

/** The account a user name stands for, or undefined where it is no service account's. */
export function splitServiceAccountUsername(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(PREFIX)) return undefined
  const [namespace, name, ...rest] = username.slice(PREFIX.length).split(':')
  if (!namespace || !name || rest.length > 0) return undefined
  return { namespace, name }
}

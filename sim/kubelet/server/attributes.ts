/** What a request to a kubelet asks for, in the words of a SubjectAccessReview: pkg/kubelet/server/auth.go. */
export interface NodeAttributes {
  /** Empty for HEAD, OPTIONS and whatever Kubernetes has no verb for. */
  verb: string
  /** Tried in order; the first that is allowed lets the request in. */
  subresources: readonly string[]
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/** Path prefix -> subresource; the fine-grained ones fall back on `proxy`. */
const COARSE: ReadonlyArray<readonly [string, string]> = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
  ['/statusz', 'statusz'],
  ['/flagz', 'configz'],
]
const FINE: ReadonlyArray<readonly [string, string]> = [
  ['/pods', 'pods'],
  ['/runningpods', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
]

export function nodeAttributes(method: string, path: string, fineGrained: boolean): NodeAttributes {
  const verb = VERBS[method] ?? ''
  const coarse = COARSE.find(([prefix]) => isBelow(path, prefix))
  if (coarse) return { verb, subresources: [coarse[1]] }
  const fine = fineGrained ? FINE.find(([prefix]) => isBelow(path, prefix)) : undefined
  return { verb, subresources: fine ? [fine[1], 'proxy'] : ['proxy'] }
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

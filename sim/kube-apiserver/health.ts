/** /healthz, /livez and /readyz: apiserver/pkg/server/healthz/healthz.go. */
const HOOKS_BEFORE_RBAC = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'priority-and-fairness-filter',
  'storage-object-count-tracker-hook',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'start-system-namespaces-controller',
  'peer-endpoint-reconciler-controller',
  'start-cluster-authentication-info-controller',
  'start-kube-apiserver-identity-lease-controller',
  'start-kube-apiserver-identity-lease-garbage-collector',
  'storage-readiness',
  'start-legacy-token-tracking-controller',
  'start-service-ip-repair-controllers',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'priority-and-fairness-config-producer',
  'bootstrap-controller',
  'start-kubernetes-service-cidr-controller',
  'aggregator-reload-proxy-client-cert',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-discovery-controller',
  'kube-apiserver-autoregistration',
]
const HOOKS_AFTER_REGISTRATION = ['apiservice-openapi-controller', 'apiservice-openapiv3-controller']

const HOOKS = [
  ...HOOKS_BEFORE_RBAC.map((name) => `poststarthook/${name}`),
  'autoregister-completion',
  ...HOOKS_AFTER_REGISTRATION.map((name) => `poststarthook/${name}`),
]

const STORAGE_READINESS_SECONDS = 60

export const HEALTH_ENDPOINTS = ['healthz', 'livez', 'readyz'] as const
export type HealthEndpoint = (typeof HEALTH_ENDPOINTS)[number]

const CHECKS: Record<HealthEndpoint, readonly string[]> = {
  healthz: ['ping', 'log', 'loopback-serving-certificate', 'etcd', ...HOOKS],
  livez: ['ping', 'log', 'loopback-serving-certificate', 'etcd', ...HOOKS],
  readyz: ['ping', 'log', 'etcd', 'etcd-readiness', 'informer-sync', ...HOOKS, 'shutdown'],
}

/** What can fail here; every other check is always good. */
export interface Health {
  etcd: () => Promise<boolean>
  /** Every watch cache has listed its resource. */
  synced: () => boolean
  /** The bootstrap objects are written. */
  bootstrapped: () => boolean
}

export interface HealthAnswer {
  code: number
  text: string
  /** Go's fmt.Fprint sets no such header, http.Error does. */
  nosniff: boolean
}

async function passes(check: string, health: Health): Promise<boolean> {
  if (check === 'etcd' || check === 'etcd-readiness') return health.etcd()
  if (check === 'informer-sync') return health.synced()
  // waits for the same, a minute at most (apiserver/pkg/server/storage_readiness_hook.go)
  if (check === 'poststarthook/storage-readiness')
    return health.synced() || process.uptime() > STORAGE_READINESS_SECONDS
  if (check === 'poststarthook/rbac/bootstrap-roles') return health.bootstrapped()
  return true
}

/** `undefined` where there is no such check. */
export async function checkHealth(
  endpoint: HealthEndpoint,
  named: string,
  query: URLSearchParams,
  health: Health,
): Promise<HealthAnswer | undefined> {
  const checks = CHECKS[endpoint]
  if (named !== '') {
    if (!checks.includes(named)) return undefined
    if (await passes(named, health)) return { code: 200, text: 'ok', nosniff: false }
    return { code: 500, text: `internal server error: ${named} failed: reason withheld\n`, nosniff: true }
  }
  const excluded = query.getAll('exclude')
  const lines: string[] = []
  let failed = false
  for (const check of checks) {
    if (excluded.includes(check)) lines.push(`[+]${check} excluded: ok`)
    else if (await passes(check, health)) lines.push(`[+]${check} ok`)
    else {
      failed = true
      lines.push(`[-]${check} failed: reason withheld`)
    }
  }
  if (failed) return { code: 500, text: `${lines.join('\n')}\n${endpoint} check failed\n`, nosniff: true }
  if (!query.has('verbose')) return { code: 200, text: 'ok', nosniff: true }
  return { code: 200, text: `${lines.join('\n')}\n${endpoint} check passed\n`, nosniff: true }
}

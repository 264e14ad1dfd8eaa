/**
 * Which paths a kubelet knows, before and after it asked who is there: pkg/kubelet/server/server.go over net/http's ServeMux
 * and go-restful. An unknown root is answered without authentication.
 */
export type Route =
  /** ServeMux: cleaned paths and missing slashes. */
  | { kind: 'redirect'; location: string }
  | { kind: 'unknown' }
  /** Behind authentication. `allow` set: go-restful's 405 for another method. */
  | { kind: 'known'; endpoint: Endpoint; parts: readonly string[]; allow: readonly string[] | undefined }
  /** A known root with nothing at this path: go-restful's 404, behind authentication. */
  | { kind: 'nothing' }

export type Endpoint =
  | 'healthz'
  | 'healthz-check'
  | 'pods'
  | 'running-pods'
  | 'stats-summary'
  | 'metrics'
  | 'configz'
  | 'statusz'
  | 'flagz'
  | 'run'
  | 'exec'
  | 'attach'
  | 'port-forward'
  | 'container-logs'
  | 'logs'
  | 'checkpoint'
  | 'pprof'
  | 'debug-flags'

export interface RouteOptions {
  /** The read-only port has neither zpages nor checkpoints. */
  isReadOnly: boolean
  /** Off: what runs or reads containers is 405, what configures is not there. */
  debuggingHandlers: boolean
  systemLogHandler: boolean
  profilingHandler: boolean
  checkpoints: boolean
  zpages: boolean
}

/** Answer to every method alike: they are plain handlers, not go-restful's. */
const PLAIN: ReadonlyMap<string, Endpoint> = new Map([
  ['/healthz', 'healthz'],
  ['/metrics', 'metrics'],
  ['/metrics/cadvisor', 'metrics'],
  ['/metrics/resource', 'metrics'],
  ['/metrics/probes', 'metrics'],
  ['/metrics/slis', 'metrics'],
  ['/configz', 'configz'],
  ['/statusz', 'statusz'],
  ['/flagz', 'flagz'],
  ['/debug/flags/v', 'debug-flags'],
])
const HEALTH_CHECKS = new Set(['/healthz/ping', '/healthz/log', '/healthz/syncloop'])
/** Registered with a slash at their end only. */
const FOLDERS = ['/runningpods', '/logs', '/checkpoint', '/stats', '/debug/pprof']
const STREAMS: ReadonlyMap<string, { endpoint: Endpoint; parts: readonly number[]; allow: readonly string[] }> =
  new Map([
    ['run', { endpoint: 'run', parts: [3, 4], allow: ['POST'] }],
    ['exec', { endpoint: 'exec', parts: [3, 4], allow: ['GET', 'POST'] }],
    ['attach', { endpoint: 'attach', parts: [3, 4], allow: ['GET', 'POST'] }],
    ['portForward', { endpoint: 'port-forward', parts: [2, 3], allow: ['GET', 'POST'] }],
    ['containerLogs', { endpoint: 'container-logs', parts: [3], allow: ['GET'] }],
  ])
const WITHOUT_DEBUGGING = new Set(['/configz', '/statusz', '/flagz', '/debug/flags/v'])
const PROFILES = new Set([
  'cmdline',
  'profile',
  'symbol',
  'trace',
  'goroutine',
  'heap',
  'threadcreate',
  'block',
  'mutex',
  'allocs',
])

export function routeOf(method: string, rawPath: string, options: RouteOptions): Route {
  const path = cleanPath(rawPath)
  if (path !== rawPath) return { kind: 'redirect', location: path }
  const debugging = options.debuggingHandlers && !options.isReadOnly
  const known = (endpoint: Endpoint, parts: readonly string[], allow?: readonly string[]): Route => ({
    kind: 'known',
    endpoint,
    parts: parts.map(decodePart),
    allow: allow && !allow.includes(method) ? allow : undefined,
  })
  const plain = PLAIN.get(path)
  if (!options.zpages && (path === '/statusz' || path === '/flagz')) return { kind: 'unknown' }
  if (plain) return !debugging && WITHOUT_DEBUGGING.has(path) ? { kind: 'unknown' } : known(plain, [])
  if (HEALTH_CHECKS.has(path)) return known('healthz-check', [])
  // go-restful drops a slash at the end
  if (path === '/pods' || path === '/pods/') return known('pods', [], ['GET'])
  const checkpoints = debugging && options.checkpoints
  if (FOLDERS.includes(path))
    return path === '/checkpoint' && !checkpoints ? { kind: 'unknown' } : { kind: 'redirect', location: `${path}/` }
  const [root = '', ...parts] = path.slice(1).split('/')
  const stream = STREAMS.get(root)
  if (stream) {
    // a switched-off root is one handler for everything below it
    if (!debugging) return path === `/${root}` ? { kind: 'redirect', location: `${path}/` } : known(stream.endpoint, [])
    const isWhole = stream.parts.includes(parts.length) && parts.every((part) => part !== '')
    return isWhole ? known(stream.endpoint, parts, stream.allow) : { kind: 'nothing' }
  }
  if (path === '/runningpods/') return known('running-pods', [], debugging ? ['GET'] : undefined)
  if (path === '/stats/summary') return known('stats-summary', [], ['GET', 'POST'])
  if (root === 'stats') return { kind: 'nothing' }
  if (root === 'logs') return known('logs', parts, debugging && options.systemLogHandler ? ['GET'] : undefined)
  if (root === 'checkpoint' && checkpoints) {
    return parts.length === 3 && parts.every(Boolean) ? known('checkpoint', parts, ['POST']) : { kind: 'nothing' }
  }
  if (path.startsWith('/debug/pprof/')) {
    if (!debugging || !options.profilingHandler) return known('pprof', [])
    return PROFILES.has(parts[1] ?? '') ? known('pprof', parts.slice(1), ['GET']) : { kind: 'nothing' }
  }
  return { kind: 'unknown' }
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** net/http cleanPath: no doubled slashes, no dots; a slash at the end stays. */
function cleanPath(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  const clean = `/${parts.join('/')}`
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean
}

/** Paths that kube-scheduler and kube-controller-manager both serve: apiserver/pkg/server/healthz, component-base/zpages. */
import type { ControllerFacts } from './controller-process.ts'
import { METRICS_TYPE } from './component-metrics.ts'
import type { PortAnswer, PortRequest } from './secure-port.ts'

type Handler = (request: PortRequest) => PortAnswer

/** A check is a name, as `?verbose` lists it; all of them hold while the process answers. */
export function healthHandler(endpoint: string, checks: readonly string[]): Handler {
  return ({ url }) => {
    if (!url.searchParams.has('verbose')) return { body: 'ok' }
    return { body: `${checks.map((check) => `[+]${check} ok\n`).join('')}${endpoint} check passed\n` }
  }
}

export function commonHandlers(name: string, { flags, metrics, version }: ControllerFacts): [string, Handler][] {
  const flagz = (): PortAnswer => ({
    body: `\n${name} flagz\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n\n${[...flags.given].map(([flag]) => `${flag}=${flags.string(flag)}\n`).join('')}`,
  })
  const slis = (): PortAnswer => ({
    contentType: METRICS_TYPE,
    body: [
      '# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single healthcheck.\n',
      '# TYPE kubernetes_healthcheck gauge\n',
      'kubernetes_healthcheck{name="leaderElection",type="healthz"} 1\n',
    ].join(''),
  })
  const statusz = (): PortAnswer => ({
    body: `\n${name} statusz\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n\nUp: ${Math.floor(process.uptime())}s\nBinary version: ${version.replace(/^v/, '')}\n`,
  })
  const profile = (): PortAnswer => ({
    contentType: 'text/html; charset=utf-8',
    body: '<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n/debug/pprof/\n</body>\n</html>\n',
  })
  const handlers: [string, Handler][] = [
    ['/metrics', () => ({ contentType: METRICS_TYPE, body: metrics.text() })],
    ['/metrics/slis', slis],
    ['/flagz', flagz],
    ['/statusz', statusz],
  ]
  if (flags.bool('profiling')) handlers.push(['/debug/pprof/', profile])
  return handlers
}

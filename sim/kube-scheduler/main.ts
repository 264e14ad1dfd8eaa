/** kube-scheduler's command line: flags, the secure port, and Pods to nodes while it leads. */
import { runController } from '../../lib/cluster/controller-process.ts'
import { commonHandlers, healthHandler } from '../../lib/cluster/health-handlers.ts'
import { FLAGS } from './flags.ts'
import { Scheduler } from './scheduler.ts'

let scheduler: Scheduler | undefined

void runController({
  name: 'kube-scheduler',
  flags: FLAGS,
  handlers: (facts) => {
    const healthz = healthHandler('healthz', ['ping', 'log', 'leaderElection'])
    const handlers = new Map([['/healthz', healthz], ...commonHandlers('kube-scheduler', facts)])
    // /livez and /readyz came with 1.31
    if (minorOf(facts.version) < 31) return handlers
    return handlers
      .set('/livez', healthHandler('livez', ['ping', 'log', 'leaderElection']))
      .set('/readyz', (request) => {
        if (!scheduler?.isSynced)
          return { code: 500, body: '[+]ping ok\n[-]informer-sync failed: reason withheld\nreadyz check failed\n' }
        return healthHandler('readyz', ['ping', 'informer-sync', 'leaderElection'])(request)
      })
  },
  prepare: ({ client, metrics }) => {
    scheduler = new Scheduler(client)
    metrics.gauge(
      'scheduler_pending_pods',
      '[STABLE] Number of pending pods.',
      'queue="active"',
      () => scheduler?.pending ?? 0,
    )
    scheduler.start()
  },
  lead: () => scheduler?.lead(),
})

function minorOf(version: string): number {
  return Number(version.replace(/^v/, '').split('.')[1])
}

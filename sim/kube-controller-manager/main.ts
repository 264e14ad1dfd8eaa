/** kube-controller-manager's command line: flags, the secure port, and its controllers while it leads. */
import { runController } from '../../lib/cluster/controller-process.ts'
import { commonHandlers, healthHandler } from '../../lib/cluster/health-handlers.ts'
import { startControllers } from './controllers.ts'
import { FLAGS } from './flags.ts'

void runController({
  name: 'kube-controller-manager',
  flags: FLAGS,
  handlers: (facts) =>
    new Map([
      ['/healthz', healthHandler('healthz', ['leaderElection'])],
      ...commonHandlers('kube-controller-manager', facts),
    ]),
  lead: startControllers,
})

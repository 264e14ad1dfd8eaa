/**
 * stranger, or a user of the machine  --10259, 10257, 2381-->  the second port of kube-scheduler, kube-controller-manager, etcd
 */
import type { Operator } from '../../lib/cluster/operator.ts'
import type { Foothold } from '../../lib/attacker/foothold.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario, type Change, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const CONTROL_PLANE = 'control-plane-1'
const ETCD = 'etcd-1'

/** The port that delegates, and the one that asks nobody: up to v1.22 two, and one for etcd. */
const PORTS = {
  scheduler: { host: CONTROL_PLANE, secure: 10259, plain: 10251 },
  'controller-manager': { host: CONTROL_PLANE, secure: 10257, plain: 10252 },
  etcd: { host: ETCD, secure: undefined, plain: 2381 },
} as const
type Who = keyof typeof PORTS

const neighbourOf = (host: string): Foothold => ({
  name: `a user of ${host}`,
  stands: { on: 'machine', host, uid: NEIGHBOUR_UID },
  holds: {},
})

/** A user of the control plane who holds an administrator's kubeconfig. */
const ADMINISTRATOR: Foothold = {
  ...neighbourOf(CONTROL_PLANE),
  name: 'an administrator',
  holds: { credential: { stolen: '/etc/kubernetes/admin.conf', host: CONTROL_PLANE } },
}

const STARTED = /^process_start_time_seconds .*$/m

/** To the hundredth of a second, which nobody guesses. */
async function startOf(operator: Operator, who: Who): Promise<string | undefined> {
  const { host, secure, plain } = PORTS[who]
  const text =
    (await operator.metricsOf(host, plain, { tls: false })) ??
    (secure === undefined ? undefined : await operator.metricsOf(host, secure, { tls: true }))
  return text && STARTED.exec(text)?.[0]
}

const goalOf = (who: Who): Variant['goal'] => ({
  read: 'fact',
  what: `what ${who === 'etcd' ? who : `kube-${who}`} says of itself`,
  known: (operator) => startOf(operator, who),
})

const THROUGH: Expectation = { kind: 'through' }
const CLOSED: Expectation = { kind: 'stopped', by: CONTROL_PLANE, layer: 'tcp', code: 'ECONNREFUSED' }
const FORBIDDEN: Expectation = { kind: 'stopped', by: 'kube-scheduler', layer: '403-rbac', code: 'Forbidden' }
const ASKS_NOBODY = {
  notApplicable: 'up to v1.22 a second port asks nobody, wherever he stands: the variant scheduler',
}
const HEALTH_ALONE = { notApplicable: 'it delegates to nobody: the port answers health alone, whoever asks' }

function fromTheNet(who: 'scheduler' | 'controller-manager', stopped: Change): Variant {
  return {
    id: who,
    title: `kube-${who}, from the network`,
    foothold: STRANGER,
    goal: goalOf(who),
    target: who,
    expect: { open: THROUGH, encrypted: HEALTH_ALONE, kubeadm: CLOSED, hardened: CLOSED, 'zero-trust': CLOSED },
    twin: { through: { restore: `${who}-bind-address` }, stopped },
  }
}

export default scenario({
  title: 'Every component listens more than once',
  story: `Beside the port that everybody knows there is one for health and metrics: what the component asks of whom and how often,
whether it leads, when it was started. Kubernetes binds its own to localhost and asks kube-apiserver who may read there; etcd's asks
nobody, and is safe as far as its machine has no other users.`,
  refs: [
    'kube-scheduler --bind-address, --authorization-kubeconfig, --authorization-always-allow-paths',
    'etcd --listen-metrics-urls',
    'CVE-2019-11248',
  ],
  cis: ['1.3.2', '1.3.7', '1.4.1', '1.4.2'],
  attack: ['T1046', 'T1613'],
  variants: [
    // Either alone only meets the other's wall.
    fromTheNet('scheduler', { weaken: ['scheduler-bind-address', 'authorization-mode'] }),
    fromTheNet('controller-manager', { foothold: ADMINISTRATOR }),
    {
      id: 'scheduler-local',
      title: 'kube-scheduler, from its own machine',
      foothold: neighbourOf(CONTROL_PLANE),
      goal: goalOf('scheduler'),
      target: 'scheduler',
      expect: {
        open: ASKS_NOBODY,
        encrypted: HEALTH_ALONE,
        kubeadm: FORBIDDEN,
        hardened: FORBIDDEN,
        'zero-trust': FORBIDDEN,
      },
      twin: { stopped: { foothold: ADMINISTRATOR } },
    },
    {
      id: 'etcd-local',
      title: `etcd's metrics, from its own machine`,
      foothold: neighbourOf(ETCD),
      goal: goalOf('etcd'),
      target: 'etcd',
      expect: { open: THROUGH, encrypted: THROUGH, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      twin: { through: { foothold: STRANGER } },
    },
  ],
  async attempt(world) {
    const { host, secure, plain } = PORTS[world.target as Who]
    const loot: string[] = []
    // A machine's own localhost first, for whoever is a user of it; a stranger's own has none of this.
    for (const address of [world.network.own.loop, world.network.hosts[host]]) {
      loot.push((await world.request(`http://${address}:${plain}`, { path: '/metrics' })).body)
      if (secure === undefined || STARTED.test(loot.join('\n'))) continue
      loot.push((await world.request(`https://${address}:${secure}`, { path: '/metrics' })).body)
    }
    return loot
  },
})

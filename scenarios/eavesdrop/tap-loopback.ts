/**
 * kube-scheduler  ===lo===>  kube-apiserver, on one machine      kubelet of worker-2  ===>  kube-apiserver
 *                   |                                                |
 *           uid 64002 of that machine                     a Pod of worker-2 with hostNetwork
 */
import type { Operator } from '../../lib/cluster/operator.ts'
import { tapWith, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { letRobotBuild, ROBOTS_NAMESPACE } from '../../lib/scenario/robot.ts'
import { scenario, type Expectation, type Staged } from '../../lib/scenario/scenario.ts'
import type { Loot, World } from '../../lib/attacker/world.ts'
import type { Holding } from '../../lib/attacker/foothold.ts'

const NEIGHBOUR_UID = 64002
const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EPERM' }

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const TOKEN: Holding = { fromPod: '/var/run/secrets/kubernetes.io/serviceaccount/token' }
const PODS = `/api/v1/namespaces/${ROBOTS_NAMESPACE}/pods`
const SEALED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'ciphertext' }
const NOT_ADMITTED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' }

function snifferOf({ pod }: Pick<Staged, 'pod'>): string {
  return `sniffer-of-${pod}`
}

export default scenario({
  title: 'Sniff localhost',
  story: `What stays on one machine is heard by whoever may open a packet socket there, and an unprivileged user may not. The kernel's word is
its own here: the attacker's process, under a user of its own, is asked what it may do. Whoever is root hears what this link carries. So
does a Pod with hostNetwork and NET_RAW of its node's links, once it is admitted: it is played by a tap on the node's way to the API, as
no container here is a process, and no kubelet runs on a host of the control plane.`,
  refs: ['packet(7), capabilities(7): CAP_NET_RAW', 'Pod Security Standards: hostNetwork, NET_RAW'],
  cis: ['5.2.5', '5.2.8'],
  attack: ['T1040'],
  variants: [
    {
      id: 'a',
      title: 'an unprivileged user of the control plane',
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: 'control-plane-1', uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'pod', node: 'worker-2' },
      expect: { open: REFUSED, encrypted: REFUSED, kubeadm: REFUSED, hardened: REFUSED, 'zero-trust': REFUSED },
      twin: { stopped: { foothold: tapWithKeys({ from: 'control-plane-1', to: 'control-plane-1' }) } },
    },
    {
      id: 'b',
      title: 'a Pod that shares the network of its node',
      foothold: tapWith('a Pod of worker-2', LINK, { 'credential.token': TOKEN }),
      goal: { read: 'word', what: `the Secret's value`, node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: SEALED,
        kubeadm: SEALED,
        hardened: NOT_ADMITTED,
        'zero-trust': NOT_ADMITTED,
      },
      // Root of the node needs no Pod, and with the session keys no more than that.
      twin: { through: { restore: 'apiserver-tls' }, stopped: { foothold: tapWithKeys(LINK) } },
    },
  ],
  async prepare(operator, goal) {
    if (goal.variant === 'b') await letRobotBuild(operator, goal.namespace)
  },
  async meanwhile(operator, goal) {
    if (goal.variant === 'b') await deliverSecret(operator, goal)
  },
  async attempt(world, variant) {
    if (variant === 'b') return heardByPod(world)
    if (!(await world.sniff())) return []
    await world.meanwhile()
    return world.capture()
  },
})

/** The Secret comes into being when whoever listens is there, so that none of it is in what was recorded before. */
async function deliverSecret(operator: Operator, goal: Staged): Promise<void> {
  const { namespace, secret, canary } = goal
  const sniffer = snifferOf(goal)
  // Root of the node needs no Pod.
  if (await operator.find(`${PODS}/${sniffer}`)) {
    operator.afterwards(() => operator.delete(`${PODS}/${sniffer}`))
    await operator.waitForPod(ROBOTS_NAMESPACE, sniffer)
  }
  await operator.create(`/api/v1/namespaces/${namespace}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret, namespace },
    stringData: { value: canary },
  })
  await operator.startCourier(goal)
  await operator.waitForPod(namespace, `courier-of-${goal.pod}`)
}

async function heardByPod(world: World): Promise<Loot> {
  const isPod = await world.holds('credential.token')
  if (isPod) {
    const { status, body } = await world.api({ path: PODS, body: snifferPod(world.goal) })
    if (status !== 201) return [body]
  }
  await world.meanwhile()
  return world.capture()
}

function snifferPod({ pod, node }: World['goal']): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: snifferOf({ pod }), namespace: ROBOTS_NAMESPACE },
    spec: {
      nodeName: node,
      hostNetwork: true,
      containers: [
        {
          name: 'main',
          image: 'registry.example/sniffer:1',
          command: ['sleep', 'infinity'],
          securityContext: { capabilities: { add: ['NET_RAW'] } },
        },
      ],
    },
  }
}

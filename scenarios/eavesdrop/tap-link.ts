/**
 * caller  ===link===>  server
 *             |
 *            tap
 */
import { tapOn, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { noteAKey, READ_A_NAME } from '../../lib/scenario/peer-goals.ts'
import type { LinkName } from '../../lib/attacker/foothold.ts'
import { scenario, type Change, type Expectation, type Goal, type Variant } from '../../lib/scenario/scenario.ts'

const sealed = (by: string): Expectation => ({ kind: 'stopped', by, layer: 'crypto', code: 'ciphertext' })

interface Tapped {
  id: string
  title: string
  /** `open` differs: there the API is plain HTTP on 8080. */
  link: LinkName
  by: string
  goal: Goal
  open: Expectation
  /** Where it is not the same as in the other postures. */
  zeroTrust?: Expectation
  through: Change
}

function variant({ id, title, link, by, goal, open, zeroTrust = sealed(by), through }: Tapped): Variant {
  return {
    id,
    title,
    foothold: tapOn(link),
    goal,
    expect: { open, encrypted: sealed(by), kubeadm: sealed(by), hardened: sealed(by), 'zero-trust': zeroTrust },
    twin: { through, stopped: { foothold: tapWithKeys(link) } },
  }
}

export default scenario({
  title: 'Read the wire of one link',
  story: `A sniffer records one link and looks for the canary. One forgotten listener leaks what all the others guard.`,
  refs: [
    'kube-apiserver --tls-cert-file, etcd --cert-file, KubeletConfiguration tlsCertFile',
    'Trail of Bits 2019: "HTTPS connections are not authenticated" (kubernetes/kubernetes#81112)',
  ],
  cis: ['1.2.24', '2.1', '2.4', '4.2.9'],
  attack: ['T1040'],
  tour: ['a'],
  variants: [
    variant({
      id: 'a',
      title: 'kubelet -> kube-apiserver: the Secret of a Pod',
      link: { from: 'worker-2', to: 'control-plane-1' },
      by: 'kube-apiserver',
      goal: { read: 'secret', node: 'worker-2' },
      open: { kind: 'through' },
      through: { restore: 'apiserver-tls' },
    }),
    variant({
      id: 'b',
      title: `kube-apiserver -> kubelet: what an administrator types into exec`,
      link: { from: 'control-plane-1', to: 'worker-2', port: 10250 },
      by: 'kubelet',
      goal: { read: 'stream', node: 'worker-2' },
      // A kubelet's own port has been TLS in every version: even there the tap holds only records.
      open: sealed('kubelet'),
      through: { restore: 'apiserver-tls' },
    }),
    variant({
      id: 'c',
      title: 'kube-apiserver -> etcd: a Pod as it is stored',
      link: { from: 'control-plane-1', port: 2379 },
      by: 'etcd',
      // A Secret would cross sealed wherever encryption at rest is on: that is another wall.
      goal: { read: 'pod', node: 'worker-2' },
      open: { kind: 'through' },
      zeroTrust: { notApplicable: 'every kind of object is sealed before it crosses: another wall' },
      through: { restore: 'etcd-client-tls' },
    }),
    {
      ...variant({
        id: 'd',
        title: 'etcd -> etcd: what Raft tells every member, by the name that it lies under',
        link: { to: 'etcd-1', port: 2380 },
        by: 'etcd',
        goal: READ_A_NAME,
        open: { kind: 'through' },
        through: { restore: 'etcd-peer-tls' },
      }),
      etcdMembers: 3,
    },
    variant({
      id: 'e',
      title: 'kube-scheduler -> kube-apiserver: the Pods it watches',
      link: { from: 'control-plane-1', to: 'control-plane-1' },
      by: 'kube-apiserver',
      goal: { read: 'pod', node: 'worker-2' },
      open: { kind: 'through' },
      through: { restore: 'apiserver-tls' },
    }),
  ],
  async meanwhile(operator, goal) {
    if (goal.variant === 'd') return noteAKey(operator, goal)
    if (goal.variant !== 'b') return
    await operator.exec({ namespace: goal.namespace, pod: goal.pod, command: ['cat'], stdin: `${goal.canary}\n` })
  },
  async attempt(world) {
    await world.meanwhile()
    return world.capture()
  },
})

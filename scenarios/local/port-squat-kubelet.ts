/**
 * administrator --exec--> kube-apiserver  --TLS-->  uid 1000 on worker-2, who took port 10250 while the kubelet restarted
 */
import { squatterOn } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const unknown = (by: string): Expectation => ({ kind: 'stopped', by, layer: 'cert-verify', code: 'unknown_authority' })

export default scenario({
  title: 'Be the kubelet while it restarts',
  story: `10250, 6443 and 2379 are ports that anybody may bind. An unprivileged user waits for the owner to restart and is quicker. No
key on the machine is his, so he signs one himself; what stops him is whether the caller looks at it. The restart is played by the network: it
sends the link to the squatter's port on the same machine.`,
  refs: ['ip(7): ip_unprivileged_port_start', 'kube-apiserver --kubelet-certificate-authority'],
  cis: ['1.2.5'],
  attack: ['T1557', 'T1036'],
  variants: [
    {
      id: 'kubelet',
      title: `port 10250: what an administrator types into exec`,
      foothold: squatterOn('worker-2', { from: 'control-plane-1', to: 'worker-2', port: 10250 }),
      goal: { read: 'stream', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: unknown('kube-apiserver'),
        'zero-trust': unknown('kube-apiserver'),
      },
      twin: {
        through: { restore: 'kubelet-certificate-authority' },
        stopped: { weaken: 'kubelet-certificate-authority' },
      },
    },
    {
      id: 'apiserver',
      title: `port 6443: a bearer token that a kubelet wants reviewed`,
      foothold: squatterOn('control-plane-1', { from: 'worker-2', to: 'control-plane-1' }),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: unknown('kubelet'),
        kubeadm: unknown('kubelet'),
        hardened: unknown('kubelet'),
        'zero-trust': unknown('kubelet'),
      },
      twin: { through: { restore: 'apiserver-tls' }, stopped: { weaken: 'kubeconfig-server-verification' } },
    },
  ],
  async meanwhile(operator, goal) {
    if (goal.variant === 'apiserver') {
      return operator.makeKubeletTalk(goal)
    }
    await operator.exec({ namespace: goal.namespace, pod: goal.pod, command: ['cat'], stdin: `${goal.canary}\n` })
  },
  async attempt(world, variant) {
    const isTls = variant === 'kubelet' || world.network.apiserver.startsWith('https:')
    const squatter = await world.intercept({
      ...(isTls ? { certificate: 'impostor' } : {}),
      ...(variant === 'kubelet' ? { answer: 'websocket' } : { relayTo: world.network.apiserver }),
    })
    await world.meanwhile()
    if (variant === 'apiserver') await squatter.seen(['"kind":"TokenReview"', '"kind":"Secret"'])
    return squatter.loot()
  },
})

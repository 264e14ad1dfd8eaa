/**
 * administrator --exec--> kube-apiserver  --TLS-->  attacker (answers as the kubelet)
 */
import { onPath } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: `kubeadm's unverified kubelet`,
  story: `An administrator types a secret into kubectl exec. Somebody on the path answers as the kubelet: kubeadm sets no
--kubelet-certificate-authority, so kube-apiserver takes any certificate there. The real kubelet is out of reach, as it asks for
kube-apiserver's key, but nobody needs it.`,
  refs: [
    'kube-apiserver --kubelet-certificate-authority',
    'kubernetes.io/docs/concepts/architecture/control-plane-node-communication/ ("subject to man-in-the-middle attacks")',
  ],
  cis: ['1.2.5', '4.2.11'],
  attack: ['T1557'],
  tour: ['a'],
  variants: [
    {
      id: 'a',
      title: 'what is typed into exec',
      foothold: onPath(
        'a self-signed certificate',
        { from: 'control-plane-1', to: 'worker-2', port: 10250 },
        {
          signedBy: 'self',
          commonName: 'worker-2',
          usages: ['serverAuth'],
          dnsNames: ['worker-2'],
          hosts: ['worker-2'],
        },
      ),
      goal: { read: 'stream', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: 'cert-verify', code: 'unknown_authority' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'cert-verify', code: 'unknown_authority' },
      },
      twin: {
        through: { restore: 'kubelet-certificate-authority' },
        stopped: { weaken: 'kubelet-certificate-authority' },
      },
    },
  ],
  async meanwhile(operator, goal) {
    await operator.exec({ namespace: goal.namespace, pod: goal.pod, command: ['cat'], stdin: `${goal.canary}\n` })
  },
  async attempt(world) {
    const impostor = await world.intercept({ certificate: 'impostor', answer: 'websocket' })
    await world.meanwhile()
    return impostor.loot()
  },
})

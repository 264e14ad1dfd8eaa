/**
 * kubelet of worker-2  --TLS-->  attacker (kube-apiserver's own certificate and key)  -->  kube-apiserver
 */
import { secretByImpostor } from '../../lib/attacker/reach-goal.ts'
import { onPath, onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }

export default scenario({
  title: 'The perfect impostor',
  story: `kube-apiserver's key was copied from a backup. To a kubelet its holder is the API: it hears each bearer token that the kubelet wants
reviewed, and what it would answer to a list of Pods the kubelet would run.`,
  refs: ['kubernetes.io/docs/setup/best-practices/certificates/', 'RFC 8446 section 4.4.3'],
  cis: ['1.1.21'],
  attack: ['T1552.004', 'T1557', 'T1649'],
  variants: [
    {
      id: 'a',
      title: 'hears a bearer token that the kubelet wants reviewed',
      foothold: onPathWith('holder of apiserver.key', LINK, {
        'impostor.crt': { stolen: '/etc/kubernetes/pki/apiserver.crt', host: 'control-plane-1' },
        'impostor.key': { stolen: '/etc/kubernetes/pki/apiserver.key', host: 'control-plane-1' },
      }),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { notApplicable: 'kubelets ask for no certificate: whoever is on the path hears all (mitm-bad-cert)' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: {
        through: {
          foothold: onPath('holder of a key of its own', LINK, {
            signedBy: 'self',
            commonName: 'kube-apiserver',
            usages: ['serverAuth'],
            hosts: ['control-plane-1'],
          }),
        },
      },
    },
  ],
  async meanwhile(operator, goal) {
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world) {
    return secretByImpostor(world)
  },
})

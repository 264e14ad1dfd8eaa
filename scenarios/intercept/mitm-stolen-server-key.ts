/**
 * kubelet of worker-2  --TLS-->  attacker (kube-apiserver's own certificate and key)  -->  kube-apiserver
 * kube-apiserver       --TLS-->  attacker (etcd-1's own certificate and key)
 */
import { secretByImpostor, valueByImpostor } from '../../lib/attacker/reach-goal.ts'
import { onPath, onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
/** Whichever member is dialled: a client that is refused in one place tries the next. */
const STORE_LINK = { from: 'control-plane-1', port: 2379 }

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
    {
      id: 'etcd',
      title: `etcd's key: hears what kube-apiserver stores`,
      foothold: onPathWith('holder of etcd/server.key', STORE_LINK, {
        'impostor.crt': { stolen: '/etc/kubernetes/pki/etcd/server.crt', host: 'etcd-1' },
        'impostor.key': { stolen: '/etc/kubernetes/pki/etcd/server.key', host: 'etcd-1' },
      }),
      goal: { read: 'word', what: 'a value that kube-apiserver stores' },
      expect: {
        open: { notApplicable: 'etcd speaks plain HTTP: whoever is on the path hears all (mitm-apiserver-etcd)' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { notApplicable: 'all that is stored is sealed: nothing crosses here that could be read' },
      },
      twin: {
        through: {
          foothold: onPath('holder of a key of its own', STORE_LINK, {
            signedBy: 'self',
            commonName: 'etcd-1',
            usages: ['serverAuth'],
            hosts: ['etcd'],
          }),
        },
      },
    },
  ],
  async meanwhile(operator, goal) {
    if (goal.variant === 'etcd') return operator.storeNote(goal)
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world, variant) {
    return variant === 'etcd' ? valueByImpostor(world) : secretByImpostor(world)
  },
})

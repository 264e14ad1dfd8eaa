/**
 * a copy of etcd's data directory  --offline-->  the Secret's record
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { DISK_THIEF } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'
import { readStolenStore } from '../../lib/attacker/stolen-store.ts'

export default scenario({
  title: 'Walk away with the database',
  story: `Somebody has a copy of etcd's disk. TLS, RBAC and audit never see this attack; only encryption at rest stands in its way.`,
  refs: ['kube-apiserver --encryption-provider-config', 'kubernetes.io/docs/tasks/administer-cluster/encrypt-data/'],
  cis: ['1.1.11', '1.2.27', '1.2.28'],
  attack: ['T1552.001', 'T1005'],
  tour: ['a'],
  variants: [
    {
      id: 'a',
      title: 'the data directory alone',
      foothold: DISK_THIEF,
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'k8s:enc:secretbox:v1' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'k8s:enc:aesgcm:v1' },
      },
      twin: { through: { restore: 'encryption-provider' }, stopped: { weaken: 'encryption-provider' } },
    },
  ],
  async attempt(world) {
    return readStolenStore(world, secretKey(world.goal))
  },
})

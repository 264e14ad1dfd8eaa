/**
 * stranger  --TLS without a certificate-->  etcd  --x-->  the whole cluster's state
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { clusterAdminBinding, isBound } from '../../lib/scenario/store-write.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'certificate_required' }
const SEALED = { notApplicable: 'Secrets are sealed in the store; the other variants ask the question' }
const TWIN = {
  through: { restore: ['etcd-client-tls', 'etcd-client-cert-auth'] },
  stopped: { weaken: ['etcd-client-cert-auth', 'etcd-trusted-ca-file'] },
} as const

export default scenario({
  title: 'Talk to the database',
  story: `etcd has no second wall: whoever it lets in owns the cluster, past authentication, authorization, admission and audit.`,
  refs: [
    'etcd --client-cert-auth, --trusted-ca-file (either alone demands a certificate)',
    'kubernetes.io/docs/concepts/security/api-server-bypass-risks/',
    'etcd client/pkg/transport/listener.go',
  ],
  cis: ['2.2'],
  attack: ['T1552.007', 'T1190'],
  tour: ['delete'],
  variants: [
    {
      id: 'read',
      title: 'Range over a Secret',
      foothold: STRANGER,
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: REFUSED,
        hardened: SEALED,
        'zero-trust': SEALED,
      },
      twin: TWIN,
      unmoved: ['etcd-client-cert-auth'],
    },
    {
      id: 'write',
      title: 'Put of a ClusterRoleBinding to cluster-admin',
      foothold: STRANGER,
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': { notApplicable: 'every kind of object is sealed: nobody reads what others write there' },
      },
      twin: TWIN,
      unmoved: ['etcd-client-cert-auth'],
    },
    {
      id: 'delete',
      title: 'DeleteRange of a Secret',
      foothold: STRANGER,
      goal: { erase: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: TWIN,
      unmoved: ['etcd-client-cert-auth'],
    },
  ],
  async attempt(world, variant) {
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    if (variant === 'write') {
      const { key, value } = clusterAdminBinding(world.mark)
      await etcd.put(key, value)
      return []
    }
    const key = secretKey(world.goal)
    if (variant === 'delete') {
      await etcd.delete(key)
      return []
    }
    return etcd.range(key)
  },
})

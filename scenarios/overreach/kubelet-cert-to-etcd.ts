/**
 * worker-1's kubelet credential  --TLS-->  etcd (trusts etcd-ca, or by mistake the cluster's CA)
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { fallen } from '../../lib/scenario/footholds.ts'
import { clusterAdminBinding, isBound } from '../../lib/scenario/store-write.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const SEALED = { notApplicable: 'every kind of object is sealed: nobody reads what others write there' }
const NOBODY_ASKED = { notApplicable: 'etcd asks nobody for a certificate' }
const REFUSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' }
const NO_TLS = { notApplicable: 'etcd speaks plain HTTP and trusts no CA' }

export default scenario({
  title: 'One CA for everything',
  story: `etcd authorises by issuer alone: any certificate of a CA it trusts is full access. A fallen worker shows its kubelet certificate.`,
  refs: ['etcd --trusted-ca-file', 'kubernetes.io/docs/concepts/security/api-server-bypass-risks/'],
  cis: ['2.7'],
  attack: ['T1552.007'],
  tour: ['stock'],
  variants: [
    {
      id: 'stock',
      title: 'etcd has a CA of its own: delete of a Secret',
      foothold: fallen('worker-1'),
      goal: { erase: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: {
        otherwise: {
          through: { restore: ['etcd-client-tls', 'etcd-client-cert-auth'] },
          stopped: { weaken: 'dedicated-etcd-ca' },
        },
        'zero-trust': { stopped: { weaken: ['dedicated-etcd-ca', 'etcd-client-allowed-hostname'] } },
      },
    },
    {
      id: 'shared-ca-read',
      title: `etcd trusts the cluster's CA: Range over a Secret`,
      foothold: fallen('worker-1'),
      goal: { read: 'secret', node: 'worker-2' },
      premise: ['dedicated-etcd-ca'],
      expect: {
        open: NO_TLS,
        encrypted: NOBODY_ASKED,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'k8s:enc:secretbox:v1' },
        'zero-trust': SEALED,
      },
      twin: { through: { restore: 'dedicated-etcd-ca' }, stopped: { weaken: 'encryption-provider' } },
    },
    {
      id: 'shared-ca-write',
      title: `etcd trusts the cluster's CA: Put of a ClusterRoleBinding`,
      foothold: fallen('worker-1'),
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      premise: ['dedicated-etcd-ca'],
      expect: {
        open: NO_TLS,
        encrypted: NOBODY_ASKED,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': SEALED,
      },
      twin: { through: { restore: 'dedicated-etcd-ca' }, stopped: { weaken: 'dedicated-etcd-ca' } },
    },
  ],
  async attempt(world, variant) {
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    if (variant === 'shared-ca-read') return etcd.range(secretKey(world.goal))
    if (variant === 'stock') {
      await etcd.delete(secretKey(world.goal))
      return []
    }
    const { key, value } = clusterAdminBinding(world.mark)
    await etcd.put(key, value)
    return []
  },
})

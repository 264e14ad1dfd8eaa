/**
 * worker-1's kubelet credential  --TLS-->  etcd (trusts etcd-ca, or by mistake the cluster's CA)
 */
import { fallen } from '../../lib/scenario/footholds.ts'
import { clusterAdminBinding, isBound } from '../../lib/scenario/store-write.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const NO_TLS = { notApplicable: 'etcd speaks plain HTTP and trusts no CA' }

export default scenario({
  title: 'One CA for everything',
  story: `etcd authorises by issuer alone: any certificate of a CA it trusts is full access. A fallen worker shows its kubelet certificate.`,
  refs: ['etcd --trusted-ca-file', 'kubernetes.io/docs/concepts/security/api-server-bypass-risks/'],
  cis: ['2.7'],
  attack: ['T1552.007'],
  variants: [
    {
      id: 'stock',
      title: 'etcd has a CA of its own',
      foothold: fallen('worker-1'),
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      expect: {
        open: { kind: 'through' },
        kubeadm: { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' },
        hardened: { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' },
      },
      twin: {
        through: { restore: ['etcd-client-tls', 'etcd-client-cert-auth'] },
        stopped: { weaken: 'dedicated-etcd-ca' },
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
        kubeadm: { kind: 'through' },
        hardened: { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'k8s:enc:secretbox:v1' },
      },
      twin: { through: { restore: 'dedicated-etcd-ca' }, stopped: { weaken: 'encryption-provider' } },
    },
    {
      id: 'shared-ca-write',
      title: `etcd trusts the cluster's CA: Put of a ClusterRoleBinding`,
      foothold: fallen('worker-1'),
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      premise: ['dedicated-etcd-ca'],
      expect: { open: NO_TLS, kubeadm: { kind: 'through' }, hardened: { kind: 'through' } },
      twin: { through: { restore: 'dedicated-etcd-ca' }, stopped: { weaken: 'dedicated-etcd-ca' } },
    },
  ],
  async attempt(world, variant) {
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    if (variant === 'shared-ca-read')
      return etcd.range(`/registry/secrets/${world.goal.namespace}/${world.goal.secret}`)
    const { key, value } = clusterAdminBinding(world.mark)
    await etcd.put(key, value)
    return []
  },
})

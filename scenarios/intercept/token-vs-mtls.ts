/**
 * a tool that verifies nobody  --TLS-->  attacker  ...>  kube-apiserver, from the attacker's own place
 */

import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Staged } from '../../lib/scenario/scenario.ts'

const TOKEN = 'bearer token'
const CERTIFICATE = 'client certificate'

const tokens = new WeakMap<Staged, string>()

/** A ServiceAccount that may read the namespace's Secrets, and a token of it. */
async function tokenOf(operator: Operator, { namespace, secret }: Staged): Promise<string> {
  const name = `reader-of-${secret}`
  const metadata = { name, namespace }
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
  await operator.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
  })
  await operator.create(`${rbac}/roles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
  })
  await operator.create(`${rbac}/rolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  })
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } }
  const made = await operator.create(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, request)
  return (made['status'] as { token: string }).token
}

export default scenario({
  title: 'Replayable and not',
  story: `The same tool, which verifies nobody, on the same hostile path, with two kinds of credential. A token is whoever saw it. A client
certificate is shown as well, but what proves it is a signature over this very handshake: of no use in another.`,
  refs: ['kubernetes/kubernetes#81114', 'RFC 8446 section 4.4.3 (CertificateVerify)', 'RFC 6750 section 5.3'],
  attack: ['T1557', 'T1550.001'],
  variants: [
    {
      id: 'a',
      title: `a ServiceAccount's token, copied and used from elsewhere`,
      foothold: onPath(
        'a self-signed certificate',
        { from: 'operator', to: 'control-plane-1' },
        { signedBy: 'self', commonName: 'kube-apiserver', usages: ['serverAuth'], hosts: ['control-plane-1'] },
      ),
      goal: { read: 'secret' },
      target: TOKEN,
      expect: {
        open: { notApplicable: 'nobody is asked who he is' },
        encrypted: { notApplicable: 'no client certificate is taken' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { target: CERTIFICATE } },
    },
  ],
  async meanwhile(operator, goal) {
    const path = `/api/v1/namespaces/${goal.namespace}/secrets/${goal.secret}`
    const token = tokens.get(goal)
    if (token === undefined) return void tokens.set(goal, await tokenOf(operator, goal))
    const how = goal.target === TOKEN ? { token, keyPair: null } : {}
    await operator.use({ tool: 'backup-tool', path, insecureSkipVerify: true, ...how })
  },
  async attempt(world) {
    // First honest people prepare themselves, then they work.
    await world.meanwhile()
    const impostor = await world.intercept({ certificate: 'impostor', reply: () => ({ status: 503 }) })
    await world.meanwhile()
    await impostor.seen(['GET /api/v1/'])
    const words = impostor.loot().map(String).join('\n')
    const authorization = /"authorization":"([^"]+)"/.exec(words)?.[1]
    const headers = authorization === undefined ? {} : { Authorization: authorization }
    return secretByApi(world, { headers })
  },
})

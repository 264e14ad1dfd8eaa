/**
 * attacker's NTP  -->  the servers' clocks stand a day back  -->  a certificate of yesterday is valid again
 *                 -->  or a day ahead                        -->  a certificate of today is none any more
 */

import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { bearerOf, STRANGER } from '../../lib/scenario/footholds.ts'
import type { Goal, Service } from '../../lib/scenario/goal.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'
import { isBound, putClusterAdminBinding } from '../../lib/scenario/store-write.ts'

const THROUGH: Expectation = { kind: 'through' }
const [RIGHT, AHEAD] = ['a clock that is right', 'a clock a day ahead']
const NO_DATES = { notApplicable: 'nobody looks at a certificate, so nobody looks at its date' }

/** To a server whose clock stands a day back, yesterday's certificate looks as today's does to one whose clock is right. */
function variant(
  id: string,
  title: string,
  minted: MintedCertificate,
  goal: Goal,
  zeroTrust: Expectation = THROUGH,
): Variant {
  return {
    id,
    title,
    foothold: bearerOf('yesterday, by a clock of yesterday', minted),
    goal,
    expect: {
      open: NO_DATES,
      encrypted: NO_DATES,
      kubeadm: { kind: 'through' },
      hardened: { kind: 'through' },
      'zero-trust': zeroTrust,
    },
    twin: {
      through: { foothold: bearerOf('yesterday, by a clock that is right', { ...minted, valid: 'until-yesterday' }) },
    },
  }
}

/** To a server whose clock stands a day ahead, a certificate that ends today looks as yesterday's does to one whose clock is right. */
async function askedByAdministrator(operator: Operator, { target }: Staged): Promise<Service | undefined> {
  const keyPair = await operator.mint({
    signedBy: 'ca',
    commonName: 'kubernetes-admin',
    organizations: ['system:masters'],
    usages: ['clientAuth'],
    valid: target === AHEAD ? 'until-yesterday' : 'now',
  })
  const { status, text } = await operator.use({ tool: 'kubectl', path: '/api/v1/namespaces', keyPair })
  if (status === 200) return { by: 'kube-apiserver', text: '200' }
  if (status === 401) return undefined
  throw new Error(`[clock_skew] kubectl: neither served nor turned away, ${status} ${text}`)
}

export default scenario({
  title: 'Move time instead of the key',
  story: `Whoever owns NTP for a server owns its idea of what is expired. No host's clock is touched here: time is moved by moving the
certificate, as the two cannot be told apart from where the server stands.`,
  refs: ['RFC 5280 section 6.1.3 (a)(2)', 'RFC 8915 (Network Time Security)'],
  attack: ['T1124', 'T1649'],
  variants: [
    variant(
      'apiserver',
      `a kubelet's certificate at kube-apiserver`,
      {
        signedBy: 'ca',
        commonName: 'system:node:worker-2',
        organizations: ['system:nodes'],
        usages: ['clientAuth'],
      },
      { read: 'secret', node: 'worker-2' },
    ),
    variant(
      'etcd',
      `kube-apiserver's certificate at etcd`,
      { signedBy: 'etcd-ca', commonName: 'kube-apiserver-etcd-client', usages: ['clientAuth'] },
      { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      { notApplicable: 'only what is sealed is read from the store: a binding that was put there is none' },
    ),
    {
      id: 'forward',
      title: 'a day ahead: an administrator is turned away',
      foothold: { ...STRANGER, name: `owner of the servers' time` },
      goal: { deny: 'an administrator whom kube-apiserver turns away', asked: askedByAdministrator },
      target: AHEAD,
      expect: { open: NO_DATES, encrypted: NO_DATES, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      twin: { through: { target: RIGHT } },
    },
  ],
  async attempt(world, variant) {
    // Who owns the time has nothing more to do.
    if (variant === 'forward') return []
    if (variant === 'apiserver') {
      return secretByApi(world)
    }
    return putClusterAdminBinding(world)
  },
})

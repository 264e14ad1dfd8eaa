/**
 * [O=system:masters signed by a sub-CA, the sub-CA signed by the cluster CA]  --TLS-->  kube-apiserver
 */

import { secretByApi, secretByImpostor } from '../../lib/attacker/reach-goal.ts'
import type { MintedCertificate, Signer } from '../../lib/attacker/foothold.ts'
import { bearerOf, onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const NOT_ASKED = { notApplicable: 'nobody asks for a certificate' }
const NOT_PERMITTED: Expectation = {
  kind: 'stopped',
  by: 'kubelet',
  layer: 'cert-verify',
  code: 'name_not_permitted',
}
const ADMIN = { commonName: 'platform-admin', organizations: ['system:masters'], usages: ['clientAuth'] } as const
const SERVER = { commonName: 'kube-apiserver', usages: ['serverAuth'], hosts: ['control-plane-1'] } as const
const LINK = { from: 'worker-2', to: 'control-plane-1' }

const FREE: Signer = { subCaOf: 'ca' }
/** Names of the team's own, and no address at all. */
const CONSTRAINED: Signer = {
  subCaOf: 'ca',
  nameConstraints: { permitted: { dns: ['platform.example'], ranges: ['198.51.100.0/24'] } },
}

const signed = (signedBy: Signer): MintedCertificate => ({ signedBy, ...ADMIN })

function client(id: string, title: string, signer: Signer): Variant {
  return {
    id,
    title,
    foothold: bearerOf('sub-CA', signed(signer)),
    goal: { read: 'secret' },
    expect: {
      open: NOT_ASKED,
      encrypted: NOT_ASKED,
      kubeadm: { kind: 'through' },
      hardened: { kind: 'through' },
      // Whoever holds a sub-CA of the client CA is let in there as well; nobody on a host of it does.
      'zero-trust': { kind: 'through' },
    },
    twin: { through: { foothold: bearerOf('no CA at all', signed({ leafOf: 'worker-1' })) } },
  }
}

export default scenario({
  title: `The team's sub-CA`,
  story: `A platform team was given a CA under the cluster's, for its own services. It signs itself an administrator: an identity lies in
CN and O, which constraints on DNS names and addresses do not touch.`,
  refs: ['RFC 5280 section 4.2.1.10 (nameConstraints)', 'k8s.io/apiserver request/x509: CommonNameUserConversion'],
  attack: ['T1649'],
  variants: [
    client('a', 'without constraints', FREE),
    client('b', 'with constraints on DNS names and addresses', CONSTRAINED),
    {
      id: 'server',
      title: `the constrained one signs a server's certificate for the API's address: there they hold`,
      foothold: onPath('constrained sub-CA', LINK, { signedBy: CONSTRAINED, ...SERVER }),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: NOT_ASKED,
        encrypted: NOT_PERMITTED,
        kubeadm: NOT_PERMITTED,
        hardened: NOT_PERMITTED,
        'zero-trust': NOT_PERMITTED,
      },
      twin: { stopped: { foothold: onPath('free sub-CA', LINK, { signedBy: FREE, ...SERVER }) } },
    },
  ],
  async meanwhile(operator, goal) {
    if (goal.variant !== 'server') return
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world, variant) {
    if (variant !== 'server') {
      return secretByApi(world)
    }
    return secretByImpostor(world)
  },
})

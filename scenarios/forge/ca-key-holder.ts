/**
 * a certificate made with a stolen CA key  --TLS-->  kube-apiserver or etcd
 */

import { secretPath } from '../../lib/attacker/reach-goal.ts'
import type { AuthorityName, MintedCertificate } from '../../lib/attacker/foothold.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Goal, type Variant } from '../../lib/scenario/scenario.ts'
import { isBound, putClusterAdminBinding } from '../../lib/scenario/store-write.ts'

const THROUGH: Expectation = { kind: 'through' }
const NOT_ASKED = { notApplicable: 'nobody asks for a certificate' }

type Minted = MintedCertificate & { signedBy: AuthorityName }

function variant(id: string, title: string, minted: Minted, goal: Goal, zeroTrust: Expectation = THROUGH): Variant {
  return {
    id,
    title,
    foothold: bearerOf(`holder of ${minted.signedBy}.key`, minted),
    goal,
    expect: {
      open: NOT_ASKED,
      encrypted: NOT_ASKED,
      kubeadm: { kind: 'through' },
      hardened: { kind: 'through' },
      'zero-trust': zeroTrust,
    },
    twin: { through: { foothold: bearerOf('holder of a CA key of its own', { ...minted, signedBy: 'foreign-ca' }) } },
  }
}

export default scenario({
  title: 'Four CA keys',
  story: `Whoever holds a CA's key is whoever it likes. Nobody logs what a CA signs, and a cluster knows no revocation: kube-apiserver reads
no CRL at all. The keys lie on control-plane hosts, as kube-controller-manager signs with one of them. A rotation is not over when the
new certificates work: the old CA is as good as the new one until it is taken out of the bundle.`,
  refs: ['kubernetes/kubernetes#81111', 'kube-controller-manager --cluster-signing-key-file'],
  cis: ['1.1.21'],
  attack: ['T1649', 'T1606'],
  variants: [
    variant(
      'a',
      'the cluster CA: an administrator',
      { signedBy: 'ca', commonName: 'nobody-knows', organizations: ['system:masters'], usages: ['clientAuth'] },
      { read: 'secret' },
    ),
    variant(
      'b',
      `etcd's CA: a client of etcd`,
      { signedBy: 'etcd-ca', commonName: 'nobody-knows', usages: ['clientAuth'] },
      { write: 'a ClusterRoleBinding to cluster-admin', placed: isBound },
      { notApplicable: 'only what is sealed is read from the store: a binding that was put there is none' },
    ),
    variant(
      'c',
      'the front-proxy CA: a proxy that says who it speaks for',
      { signedBy: 'front-proxy-ca', commonName: 'front-proxy-client', usages: ['clientAuth'] },
      { read: 'secret' },
    ),
    {
      id: 'd',
      title: 'a CA that was rotated out a year ago, and left in the bundle',
      foothold: bearerOf('holder of the key of before', {
        signedBy: 'retired-ca',
        commonName: 'nobody-knows',
        organizations: ['system:masters'],
        usages: ['clientAuth'],
      }),
      goal: { read: 'secret' },
      premise: ['retired-ca-removed'],
      expect: { open: NOT_ASKED, encrypted: NOT_ASKED, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      twin: { through: { restore: 'retired-ca-removed' } },
    },
  ],
  async attempt(world, variant) {
    if (variant === 'b') {
      return putClusterAdminBinding(world)
    }
    const headers = { 'X-Remote-User': 'nobody-knows', 'X-Remote-Group': 'system:masters' }
    const path = secretPath(world.goal)
    return [(await world.api({ path, ...(variant === 'c' ? { headers } : {}) })).body]
  },
})

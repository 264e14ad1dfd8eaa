/**
 * kube-apiserver  --TLS-->  attacker (a certificate of its own)  in etcd's place
 */
import { valueByImpostor } from '../../lib/attacker/reach-goal.ts'
import { onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'

const LINK = { from: 'control-plane-1', port: 2379 }

function variant(id: string, title: string, minted: MintedCertificate, code: string): Variant {
  const refused: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'cert-verify', code }
  return {
    id,
    title,
    foothold: onPath(title, LINK, minted),
    goal: { read: 'word', what: 'a value that kube-apiserver stores' },
    expect: {
      open: { kind: 'through' },
      encrypted: refused,
      kubeadm: refused,
      hardened: refused,
      'zero-trust': { notApplicable: 'all that is stored is sealed: nothing crosses here that could be read' },
    },
    twin: {
      through: { restore: 'etcd-client-tls' },
      stopped: {
        foothold: onPath(`etcd-ca's signature, the right name`, LINK, {
          signedBy: 'etcd-ca',
          commonName: 'etcd-1',
          usages: ['serverAuth'],
          hosts: ['etcd'],
        }),
      },
    },
  }
}

export default scenario({
  title: 'Three wrong certificates between the API and its store',
  story: `A host on the path answers in etcd's place. What kube-apiserver writes next it would hear, and what it reads would be the attacker's.`,
  refs: ['kube-apiserver --etcd-cafile', 'RFC 5280 section 6.1, RFC 6125'],
  cis: ['1.2.26'],
  attack: ['T1557'],
  variants: [
    variant(
      'a',
      'a self-signed certificate with the right name',
      { signedBy: 'self', commonName: 'etcd-1', usages: ['serverAuth'], hosts: ['etcd'] },
      'unknown_authority',
    ),
    variant(
      'b',
      `etcd-ca's signature, another host's name`,
      { signedBy: 'etcd-ca', commonName: 'etcd-2', usages: ['serverAuth'], hosts: ['worker-1'] },
      'host_name_mismatch',
    ),
    variant(
      'c',
      `etcd-ca's signature, the right name, for clients only`,
      { signedBy: 'etcd-ca', commonName: 'etcd-1', usages: ['clientAuth'], hosts: ['etcd'] },
      'incompatible_usage',
    ),
  ],
  async meanwhile(operator, goal) {
    await operator.storeNote(goal)
  },
  async attempt(world) {
    return valueByImpostor(world)
  },
})

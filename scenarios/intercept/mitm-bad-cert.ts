/**
 * kubelet of worker-2  --TLS-->  attacker (a certificate of its own)  --TLS-->  kube-apiserver
 */
import { secretByImpostor } from '../../lib/attacker/reach-goal.ts'
import { onPath } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }

/** `strict` is what zero-trust answers, where it is not what the others do. */
function variant(id: string, title: string, minted: MintedCertificate, code: string, strict = code): Variant {
  const refused: Expectation = { kind: 'stopped', by: 'kubelet', layer: 'cert-verify', code }
  return {
    id,
    title,
    foothold: onPath(title, LINK, minted),
    goal: { read: 'secret', node: 'worker-2' },
    expect: {
      open: { kind: 'through' },
      encrypted: refused,
      kubeadm: refused,
      hardened: refused,
      'zero-trust': { ...refused, code: strict },
    },
    twin: { through: { restore: 'apiserver-tls' }, stopped: { weaken: 'kubeconfig-server-verification' } },
  }
}

export default scenario({
  title: 'Three wrong certificates between a kubelet and the API',
  story: `A host on the path terminates the kubelet's TLS. What the kubelet would say next holds a bearer token that a monitoring
system showed it, sent on to the API in a TokenReview, and in plain HTTP the Secret itself.`,
  refs: ['kubeconfig certificate-authority-data, insecure-skip-tls-verify', 'RFC 5280 section 6.1, RFC 6125'],
  cis: ['1.2.26'],
  attack: ['T1557'],
  tour: ['a'],
  variants: [
    variant(
      'a',
      'a self-signed certificate with the right names',
      { signedBy: 'self', commonName: 'kube-apiserver', usages: ['serverAuth'], hosts: ['control-plane-1'] },
      'unknown_authority',
    ),
    variant(
      'b',
      `the cluster CA's signature, another host's name`,
      { signedBy: 'ca', commonName: 'worker-1', usages: ['serverAuth'], dnsNames: ['worker-1'], hosts: ['worker-1'] },
      'host_name_mismatch',
    ),
    variant(
      'c',
      `the cluster CA's signature, the right names, for clients only`,
      { signedBy: 'ca', commonName: 'kube-apiserver', usages: ['clientAuth'], hosts: ['control-plane-1'] },
      'incompatible_usage',
      // Clients have an authority of their own there, which no server's certificate is expected from.
      'unknown_authority',
    ),
  ],
  async meanwhile(operator, goal) {
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world) {
    return secretByImpostor(world)
  },
})

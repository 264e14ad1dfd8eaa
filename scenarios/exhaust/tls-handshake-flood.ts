/**
 * a stranger  --many ClientHellos, each good for nothing-->  etcd-1, which signs for each and waits
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { Operator } from '../../lib/cluster/operator.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'
import { signerFor } from '../../lib/wire/server-signature.ts'

const HELLOS = 32
const SERVER_CERTIFICATE = '/etc/kubernetes/pki/etcd/server.crt'

/** Bound to the run: nobody can have asked for these signatures before. */
function randomOf(mark: string, index: number): Buffer {
  return createHash('sha256').update(`${mark} ${index}`).digest()
}

/** One signature of the server's own key for each hello. */
async function isSigned(operator: Operator, loot: readonly Buffer[], mark: string): Promise<boolean> {
  const { raw } = new X509Certificate(operator.fileOn('etcd-1', SERVER_CERTIFICATE))
  return loot.length === HELLOS && loot.every((flight, index) => signerFor(randomOf(mark, index), flight)?.equals(raw))
}

export default scenario({
  title: 'Make the server do the work',
  story: `A stranger sends ClientHellos that he never means to follow up. Each costs him some bytes and the server a signature, a connection and a
wait: whoever is to show a certificate has not been asked for it yet, and rate limits begin where somebody has a name. How many it takes
until honest people wait is a matter of the machine, and is not shown here: what is shown is that the server works for nobody, signature by
signature. Network separation keeps strangers off etcd; the API has to be there for everybody, and has no such wall.`,
  refs: [
    'RFC 8422 section 5.4 (ServerKeyExchange)',
    'KHV025',
    'etcd client/pkg/transport/listener.go: handshake timeout',
    'NSA/CISA Kubernetes Hardening Guide: network separation',
  ],
  attack: ['T1499', 'T1498'],
  variants: [
    {
      id: 'half-open',
      title: 'half a handshake with etcd, many times over',
      foothold: STRANGER,
      goal: { show: `${HELLOS} signatures of etcd's key for nobody`, shown: isSigned },
      expect: {
        open: { notApplicable: 'etcd speaks plain HTTP: there is no handshake' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': {
          notApplicable: 'TLS 1.3 alone: what is signed there is sealed, and proves nothing to whom it was not sent',
        },
      },
      twin: { through: { restore: 'network-separation' } },
    },
  ],
  async attempt(world) {
    const etcd = world.network.etcd[0] ?? ''
    return Promise.all(Array.from({ length: HELLOS }, (_, index) => world.halfOpen(etcd, randomOf(world.mark, index))))
  },
})

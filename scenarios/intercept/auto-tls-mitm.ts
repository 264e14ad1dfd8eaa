/**
 * etcd-2, etcd-3  --TLS-->  attacker (a certificate of its own)  --TLS-->  etcd-1
 */
import { onPath } from '../../lib/scenario/footholds.ts'
import { NOTE_KEYS, noteAKey, READ_A_NAME } from '../../lib/scenario/peer-goals.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const PAUSE_MS = 100

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}

const REFUSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'cert-verify', code: 'unknown_authority' }

export default scenario({
  title: 'Encrypted with whoever answers',
  story: `--peer-auto-tls has every member sign a certificate for itself, which none of the others can verify, so none tries. The link is
encrypted, a tap hears nothing, and whoever stands in the way reads everything that is written.`,
  refs: [
    'etcd --peer-auto-tls, --auto-tls (server/embed/config.go, client/pkg/transport/listener.go SelfCert)',
    'etcd.io/docs/v3.6/op-guide/security/: "it does not provide authentication"',
  ],
  cis: ['2.3', '2.6'],
  attack: ['T1557'],
  variants: [
    {
      id: 'peer',
      title: 'between the members: the names of what is written',
      foothold: onPath(
        'a certificate signed by itself',
        { to: 'etcd-1', port: 2380 },
        {
          signedBy: 'self',
          commonName: 'etcd-1',
          usages: ['serverAuth', 'clientAuth'],
          hosts: ['etcd-1'],
        },
      ),
      goal: READ_A_NAME,
      etcdMembers: 3,
      expect: {
        open: { kind: 'through' },
        encrypted: { notApplicable: 'its suites want RSA keys; what members sign for themselves is ECDSA (SelfCert)' },
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: { through: { restore: 'etcd-peer-tls' }, stopped: { weaken: 'etcd-peer-auto-tls' } },
    },
  ],
  meanwhile: noteAKey,
  async attempt(world) {
    const [peer = ''] = world.network.etcdPeers
    const isTls = peer.startsWith('https:')
    const impostor = await world.intercept({ ...(isTls ? { certificate: 'impostor' } : {}), relayTo: peer })
    const seen = impostor.seen([NOTE_KEYS]).then(() => 'seen')
    // Until its streams stand again a leader tells the others by connections of its own.
    while ((await Promise.race([seen, pause()])) !== 'seen') await world.meanwhile()
    return impostor.loot()
  },
})

/**
 * kubelet of worker-2  ===TLS 1.3===>  kube-apiserver, started with SSLKEYLOGFILE
 *                         |
 *                        tap
 *
 * gcore of worker-2's kubelet  -->  /var/crash/core.kubelet  --open(2)-->  uid 64002  -->  kube-apiserver
 */
import { keyPairsIn } from '../../lib/attacker/memory-image.ts'
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import type { Loot, World } from '../../lib/attacker/world.ts'
import { tapOn, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const NEIGHBOUR_UID = 64002
const CORE = '/var/crash/core.kubelet'
const [EVERYBODYS, OWNERS] = ['a core file of mode 0644', 'a core file of mode 0600']
const NO_KEY = { notApplicable: 'no kubelet has a client key there, and nobody needs one' }

export default scenario({
  title: 'Ask the process for its keys',
  story: `Somebody turned on a key log to debug a handshake and forgot it: forward secrecy keeps no secret that the process writes down itself.
Or he wrote a process's memory to a file, as any crash does where nobody has forbidden it: the key is in it, whatever the mode of the
key's own file. The memory is the component's real one; ours hold their keys in PEM, a Go program as numbers, which takes a better search.`,
  refs: ['RFC 9850 (SSLKEYLOGFILE)', 'crypto/tls Config.KeyLogWriter', 'core(5), gcore(1), systemd-coredump(8)'],
  attack: ['T1003', 'T1040', 'T1552.001'],
  variants: [
    {
      id: 'a',
      title: `a kubelet's core file on its worker`,
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: 'worker-2', uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'secret', node: 'worker-2' },
      target: EVERYBODYS,
      expect: {
        open: NO_KEY,
        encrypted: NO_KEY,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { target: OWNERS } },
    },
    {
      id: 'c',
      title: 'a key log beside the recording',
      foothold: tapWithKeys(LINK),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { notApplicable: 'there is nothing to decrypt: the link is plain HTTP (tap-link)' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { foothold: tapOn(LINK) } },
    },
  ],
  async meanwhile(operator, { variant, target, node }) {
    if (variant === 'a') await operator.dumpCore(node, 'kubelet', target === EVERYBODYS ? 0o644 : 0o600)
  },
  async attempt(world, variant) {
    await world.meanwhile()
    if (variant === 'a') return secretByKeyInMemory(world)
    return world.capture()
  },
})

async function secretByKeyInMemory(world: World): Promise<Loot> {
  const core = await world.readAsUser(CORE)
  const loot: string[] = []
  for (const withKeyPair of core === undefined ? [] : keyPairsIn(core)) {
    loot.push((await world.api({ path: secretPath(world.goal), withKeyPair })).body)
  }
  return loot
}

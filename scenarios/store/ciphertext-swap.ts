/**
 * etcd: the Secret's sealed value  --copied onto-->  a Secret that the developer may read  --kube-apiserver opens it-->  developer
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { DEVELOPER_WITH_ETCD, OWN_SECRET_KEY, ownSecretByApi, settleDeveloper } from '../../lib/scenario/developer.ts'
import { NOTHING_SEALED } from '../../lib/scenario/etcd-thief.ts'
import { scenario, type Variant } from '../../lib/scenario/scenario.ts'

const VARIANT: Omit<Variant, 'id' | 'title' | 'expect'> = {
  foothold: DEVELOPER_WITH_ETCD,
  goal: { read: 'secret' },
  twin: { through: { restore: 'encryption-bound-to-key' }, stopped: { weaken: 'encryption-bound-to-key' } },
}
const UNSEALED = { open: NOTHING_SEALED, encrypted: NOTHING_SEALED, kubeadm: NOTHING_SEALED }

export default scenario({
  title: 'Move the sealed letter',
  story: `The thief of an etcd key cannot open a sealed Secret, and need not: copied onto a Secret that the thief may read, it is opened by
kube-apiserver itself. Only aesgcm and a key management service bind a value to the key that it lies under.`,
  refs: [
    'apiserver/pkg/storage/etcd3/store.go: the key as authenticated data',
    'fidelity: encryption-swap-secretbox, encryption-swap-aescbc (200), encryption-swap-aesgcm (500)',
  ],
  cis: ['1.2.28'],
  attack: ['T1565.001', 'T1552.007'],
  variants: [
    {
      id: 'secretbox',
      title: 'as the posture seals it',
      ...VARIANT,
      expect: {
        ...UNSEALED,
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'InternalError' },
      },
    },
    {
      id: 'aescbc',
      title: 'sealed with aescbc, which CIS takes as well',
      ...VARIANT,
      premise: ['encryption-authenticated'],
      expect: { ...UNSEALED, hardened: { kind: 'through' }, 'zero-trust': { kind: 'through' } },
    },
  ],
  prepare: settleDeveloper,
  async attempt(world) {
    const etcd = await world.etcd(world.network.etcd[0] ?? '', 'etcd')
    const [sealed] = await etcd.range(secretKey(world.goal))
    if (sealed !== undefined) await etcd.put(OWN_SECRET_KEY, sealed)
    return ownSecretByApi(world)
  },
})

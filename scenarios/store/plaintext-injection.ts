/**
 * stolen etcd key  --Put of a Secret in plain-->  etcd  --x-->  kube-apiserver reads it through identity
 */
import { ETCD_THIEF, NOTHING_SEALED } from '../../lib/scenario/etcd-thief.ts'
import { isPlanted, putSecret } from '../../lib/scenario/store-write.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

export default scenario({
  title: 'Write what needs no decryption',
  story: `identity stands last among the providers so that what was stored before can still be read. Whoever writes to etcd profits from
the same: a Secret in plain is believed, and no key was needed to make it. Without identity it cannot be read, and spoils the whole list.`,
  refs: [
    'EncryptionConfiguration: providers are tried in order',
    'kubernetes.io/docs/tasks/administer-cluster/encrypt-data/',
  ],
  cis: ['1.2.28'],
  attack: ['T1565.001'],
  variants: [
    {
      id: 'secret',
      title: `a Secret of the thief's making`,
      foothold: ETCD_THIEF,
      goal: { write: `a Secret of the thief's making`, placed: isPlanted },
      expect: {
        open: NOTHING_SEALED,
        encrypted: NOTHING_SEALED,
        kubeadm: NOTHING_SEALED,
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: 'InternalError' },
      },
      twin: { through: { restore: 'encryption-without-identity' }, stopped: { weaken: 'encryption-without-identity' } },
    },
  ],
  attempt: putSecret,
})

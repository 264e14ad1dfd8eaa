/**
 * EncryptionConfiguration says "sealed"  --x-->  etcd holds it in plain  --disk or key-->  thief
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import { readStolenStore } from '../../lib/attacker/stolen-store.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { ETCD_THIEF, NOTHING_SEALED } from '../../lib/scenario/etcd-thief.ts'
import { DISK_THIEF } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged } from '../../lib/scenario/scenario.ts'

const UNSEALED = { open: NOTHING_SEALED, encrypted: NOTHING_SEALED, kubeadm: NOTHING_SEALED }
const sealed = (provider: string): Expectation => ({
  kind: 'stopped',
  by: 'kube-apiserver',
  layer: 'at-rest',
  code: `k8s:enc:${provider}:v1`,
})

const REWRITTEN = 'a store in which every Secret was written anew'

/** A record as it was written before there was a provider; an administrator may have written every Secret anew since. */
async function leaveAnOldRecord(operator: Operator, { namespace, secret, canary, target }: Staged): Promise<void> {
  const metadata = { name: secret, namespace, creationTimestamp: '2025-01-01T00:00:00Z' }
  const data = { value: Buffer.from(canary).toString('base64') }
  const record = { apiVersion: 'v1', kind: 'Secret', metadata, data, type: 'Opaque' }
  await operator.store.put({ key: secretKey({ namespace, secret }), value: JSON.stringify(record) })
  if (target !== REWRITTEN) return
  // kubectl get secrets -o json | kubectl replace -f -
  const path = `/api/v1/namespaces/${namespace}/secrets/${secret}`
  await operator.replace(path, await operator.get(path))
}

export default scenario({
  title: 'Encrypted on paper',
  story: `A provider is configured, and the value lies in plain all the same: identity stands first, nobody wrote the old Secrets anew, or
the kind of object is not listed. The configuration does not tell; etcd does.`,
  refs: [
    'kubernetes.io/docs/tasks/administer-cluster/encrypt-data/: the first provider encrypts',
    'etcdctl get --prefix',
  ],
  cis: ['1.2.27', '1.2.28'],
  attack: ['T1552.001'],
  variants: [
    {
      id: 'order',
      title: 'identity stands first',
      foothold: DISK_THIEF,
      goal: { read: 'secret' },
      premise: ['encryption-first-provider'],
      expect: { ...UNSEALED, hardened: { kind: 'through' }, 'zero-trust': sealed('aesgcm') },
      twin: { through: { restore: 'encryption-first-provider' }, stopped: { weaken: 'encryption-provider' } },
    },
    {
      id: 'old',
      title: 'what was stored before was never written anew',
      foothold: ETCD_THIEF,
      goal: { read: 'word', what: `the Secret's value` },
      expect: {
        ...UNSEALED,
        hardened: { kind: 'through' },
        'zero-trust': { notApplicable: 'without identity it could not be read until it was written anew' },
      },
      twin: { through: { target: REWRITTEN } },
    },
    {
      id: 'unlisted',
      title: 'Pods are not among the sealed kinds',
      foothold: DISK_THIEF,
      goal: { read: 'pod', node: 'worker-1' },
      expect: { ...UNSEALED, hardened: { kind: 'through' }, 'zero-trust': sealed('aesgcm') },
      twin: {
        through: { restore: 'encryption-of-every-resource' },
        stopped: { weaken: 'encryption-of-every-resource' },
      },
    },
  ],
  async prepare(operator, goal) {
    if (goal.variant === 'old') await leaveAnOldRecord(operator, goal)
  },
  async attempt(world, variant) {
    const { namespace, pod } = world.goal
    if (variant === 'unlisted') return readStolenStore(world, `/registry/pods/${namespace}/${pod}`)
    if (variant === 'order') return readStolenStore(world, secretKey(world.goal))
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    return etcd.range(secretKey(world.goal))
  },
})

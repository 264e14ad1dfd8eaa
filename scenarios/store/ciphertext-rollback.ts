/**
 * etcd: a value that lay there before  --Put once more-->  etcd  --x-->  a credential that was taken back
 */
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { ETCD_THIEF, NOTHING_STOLEN, SELF_SIGNED_ETCD_CLIENT } from '../../lib/scenario/etcd-thief.ts'
import { valueOf } from '../../lib/scenario/store-write.ts'
import { scenario, type Staged } from '../../lib/scenario/scenario.ts'

/** Secrets that were rotated: of no other it can be said that an old value is back. */
const rotated = new Set<string>()

/** First the Secret with its first value; at the next call an administrator rotates it. */
async function keepOrRotate(operator: Operator, { namespace, secret, canary }: Staged): Promise<void> {
  const folder = `/api/v1/namespaces/${namespace}/secrets`
  const object = (value: string): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret, namespace },
    data: { value: Buffer.from(value).toString('base64') },
  })
  if (await operator.find(`${folder}/${secret}`)) {
    await operator.replace(`${folder}/${secret}`, object('rotated'))
    rotated.add(secret)
  } else await operator.create(folder, object(canary))
}

async function isBack(operator: Operator, { namespace, secret, canary }: Staged): Promise<boolean> {
  if (!rotated.has(secret)) return false
  return valueOf(await operator.find(`/api/v1/namespaces/${namespace}/secrets/${secret}`)) === canary
}

export default scenario({
  title: `Yesterday's value is authentic`,
  story: `A password was rotated. The thief of an etcd key kept the record of before, sealed or not, and puts it back: it opens, as it is
genuine and lies where it lay. No provider knows which of two genuine values is the newer one. A restored backup does the same.`,
  refs: ['apiserver/pkg/storage/etcd3/store.go: no defence against reuse of values under the same key'],
  attack: ['T1565.001', 'T1490'],
  variants: [
    {
      id: 'secret',
      title: 'the value that a Secret had before it was rotated',
      foothold: ETCD_THIEF,
      goal: { write: 'a value that was rotated away', placed: isBack },
      expect: {
        open: NOTHING_STOLEN,
        encrypted: NOTHING_STOLEN,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { foothold: SELF_SIGNED_ETCD_CLIENT } },
    },
  ],
  meanwhile: keepOrRotate,
  async attempt(world) {
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    const key = secretKey(world.goal)
    await world.meanwhile()
    const [before] = await etcd.range(key)
    await world.meanwhile()
    if (before !== undefined) await etcd.put(key, before)
    return []
  },
})

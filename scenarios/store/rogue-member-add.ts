/**
 * stolen etcd key  --member add-->  etcd  --the whole log-->  a member that nobody runs
 *                  --member remove, member remove, member add-->  etcd, of which a majority is nobody
 */
import { changed, patiently } from '../../lib/attacker/etcd.ts'
import { learn } from '../../lib/attacker/raft-learner.ts'
import type { Loot, World } from '../../lib/attacker/world.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { ETCD_THIEF, NOTHING_STOLEN, SELF_SIGNED_ETCD_CLIENT } from '../../lib/scenario/etcd-thief.ts'
import { stolenPair } from '../../lib/scenario/footholds.ts'
import { NO_QUORUM, nameARole, READ_A_NAME } from '../../lib/scenario/peer-goals.ts'
import { scenario, type Foothold } from '../../lib/scenario/scenario.ts'

/** The same pair at both ports. */
const THIEF: Foothold = {
  name: 'apiserver-etcd-client',
  stands: { on: 'net' },
  holds: { ...stolenPair('apiserver-etcd-client'), ...stolenPair('apiserver-etcd-client', 'client') },
}
/** Each pair where it belongs, from the address that it names. */
const ETCD_1: Foothold = {
  name: 'etcd-1 itself',
  stands: { on: 'host', host: 'etcd-1' },
  holds: { ...stolenPair('etcd/peer'), ...stolenPair('etcd/healthcheck-client', 'client') },
}

export default scenario({
  title: 'Legitimate API, illegitimate member',
  story: `Adding a member is a call like any other at etcd's client port: nobody is asked who may. The thief of a client's key adds a learner,
which has no vote and hurts nobody, and the leader sends it all that was ever written. Only a peer port that does not take the client's
certificate stands in the way.`,
  refs: ['etcdctl member add --learner', 'etcd server/etcdserver/api/rafthttp/stream.go'],
  cis: ['2.7'],
  attack: ['T1490', 'T1005'],
  variants: [
    {
      id: 'learner',
      title: 'a learner: all that was ever written, by its names',
      foothold: THIEF,
      goal: READ_A_NAME,
      expect: {
        open: NOTHING_STOLEN,
        encrypted: NOTHING_STOLEN,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' },
      },
      twin: { through: { restore: 'dedicated-etcd-peer-ca' }, stopped: { foothold: ETCD_1 } },
    },
    {
      id: 'quorum',
      title: 'all members but one removed, and one added that nobody runs: no quorum, for good',
      foothold: ETCD_THIEF,
      goal: NO_QUORUM,
      etcdMembers: 3,
      expect: {
        open: NOTHING_STOLEN,
        encrypted: NOTHING_STOLEN,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { foothold: SELF_SIGNED_ETCD_CLIENT } },
      // Who was removed ends, and so does who leads by a Lease that is not stored any more.
      ruins: { lastWords: /the member has been permanently removed from the cluster|leaderelection lost/ },
    },
  ],
  async prepare(operator, goal) {
    if (goal.variant === 'quorum') return settle(operator)
    // A cluster takes one learner at a time, and a thief who is cut short leaves his.
    operator.afterwards(async () => {
      for (const { ID, isLearner } of await operator.store.members())
        if (isLearner) await operator.store.removeMember(ID)
    })
  },
  meanwhile: nameARole,
  async attempt(world, variant) {
    if (variant === 'quorum') return orphan(world)
    await world.meanwhile()
    return learn(world, 'client')
  },
})

/** Where no member is. */
const SPARE_URL = 'https://127.0.0.1:2390'

/** An administrator changes the members, and changes them back: a cluster that began a moment ago lets nobody do that yet. */
async function settle({ store }: Operator): Promise<void> {
  const spare = await patiently(() => changed(store.addMember([SPARE_URL], { isLearner: true })))
  if (spare === undefined) throw new Error('[member_add] etcd takes no change of its members from an administrator')
  await store.removeMember(spare)
}

/** etcd takes no change of members that leaves it without quorum (--strict-reconfig-check), but for one: the second member of one. */
async function orphan(world: World): Promise<Loot> {
  const etcd = await world.etcd(world.network.etcd[0] ?? '')
  const members = await etcd.members()
  const last = members.find(({ clientURLs }) => clientURLs.includes(world.network.etcd[0] ?? ''))
  for (const { ID } of members) if (ID !== last?.ID) await patiently(() => etcd.removeMember(ID))
  const peers = new URL(world.network.etcdPeers[0] ?? '')
  await patiently(() => etcd.addVoter(`${peers.protocol}//${world.network.own.face}:2390`))
  return []
}

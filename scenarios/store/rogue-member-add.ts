/**
 * stolen etcd key  --member add-->  etcd  --the whole log-->  a member that nobody runs
 */
import { learn } from '../../lib/attacker/raft-learner.ts'
import { NOTHING_STOLEN } from '../../lib/scenario/etcd-thief.ts'
import { stolenPair } from '../../lib/scenario/footholds.ts'
import { nameARole, READ_A_NAME } from '../../lib/scenario/peer-goals.ts'
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
  ],
  async prepare(operator) {
    // A cluster takes one learner at a time, and a thief who is cut short leaves his.
    operator.afterwards(async () => {
      for (const { ID, isLearner } of await operator.store.members())
        if (isLearner) await operator.store.removeMember(ID)
    })
  },
  meanwhile: nameARole,
  async attempt(world) {
    await world.meanwhile()
    return learn(world, 'client')
  },
})

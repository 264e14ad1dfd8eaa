/** etcd's own protocol in the hands of somebody who verifies nobody. */
import { etcdClient, type EtcdClient } from '../etcd/client.ts'
import { GrpcError, type GrpcCode } from '../etcd/grpc-status.ts'
import type { Member } from '../etcd/rpc_pb.ts'
import { refusalFacts, type Caller } from './request.ts'
import { sealedBy } from './sealed-value.ts'
import type { Loot, Observation } from './world.ts'

/** The member that was added or removed, or why there is none. */
export type Changed = { id: bigint } | { refused: string }

/** etcd takes no change of members within 5 s of one that came back, nor before a leader has been heard. */
const FOR_NOW = /unhealthy cluster|no leader|leader changed|timed out|deadline exceeded/
const PATIENCE_MS = 8000
const LOOK_MS = 250

export interface EtcdThief {
  /** Every value below a key prefix. */
  range(prefix: string): Promise<Loot>
  put(key: string, value: string | Uint8Array): Promise<void>
  /** All of it, in one transaction. */
  putTogether(values: ReadonlyMap<string, string>): Promise<void>
  delete(key: string): Promise<void>
  members(): Promise<Member[]>
  addLearner(peerUrl: string): Promise<Changed>
  /** A member with a vote, whether or not somebody runs it. */
  addVoter(peerUrl: string): Promise<Changed>
  removeMember(id: bigint): Promise<Changed>
  close(): Promise<void>
}

export async function etcdThief(baseUrl: string, caller: Caller): Promise<EtcdThief> {
  const client = etcdClient({
    endpoints: [baseUrl],
    localAddress: caller.localAddress,
    insecureSkipVerify: true,
    ...(caller.keyPair ? { keyPair: caller.keyPair } : {}),
    timeoutMs: 3000,
  })
  const attempt = async <T>(act: (client: EtcdClient) => Promise<T>): Promise<T | undefined> => {
    try {
      const done = await act(client)
      caller.observe({ remote: new URL(baseUrl).host, text: 'answered' })
      return done
    } catch (error) {
      caller.observe(refusedBy(error, new URL(baseUrl).host))
      return undefined
    }
  }
  const change = async (act: (client: EtcdClient) => Promise<bigint>): Promise<Changed> => {
    let asked: Promise<bigint> | undefined
    await attempt((etcd) => (asked = act(etcd)))
    return changed(asked!)
  }
  return {
    async range(prefix) {
      const reply = await attempt((etcd) => etcd.range({ key: prefix, prefix: true }))
      const loot: Uint8Array[] = []
      for (const { key, value } of reply?.kvs ?? []) {
        loot.push(value)
        const sealed = sealedBy(Buffer.from(key).toString('utf8'), value)
        if (sealed) caller.observe(sealed)
      }
      return loot
    },
    async put(key, value) {
      if (await attempt((etcd) => etcd.put({ key, value })))
        caller.observe({ remote: new URL(baseUrl).host, text: 'written', wrote: key })
    },
    async putTogether(values) {
      const success = [...values].map(([key, value]) => ({
        request: { case: 'requestPut' as const, value: { key: Buffer.from(key), value: Buffer.from(value) } },
      }))
      if (!(await attempt((etcd) => etcd.txn({ success })))) return
      for (const wrote of values.keys()) caller.observe({ remote: new URL(baseUrl).host, text: 'written', wrote })
    },
    async delete(key) {
      await attempt((etcd) => etcd.deleteRange({ key }))
    },
    members: async () => (await attempt((etcd) => etcd.members())) ?? [],
    addLearner: (peerUrl) => change((etcd) => etcd.addMember([peerUrl], { isLearner: true })),
    addVoter: (peerUrl) => change((etcd) => etcd.addMember([peerUrl])),
    removeMember: (id) =>
      change(async (etcd) => {
        await etcd.removeMember(id)
        return id
      }),
    close: () => client.close(),
  }
}

/** The member, or the words of whoever refused. */
export function changed(asked: Promise<bigint>): Promise<Changed> {
  return asked.then(
    (id) => ({ id }),
    (error: Error) => ({ refused: error.message }),
  )
}

/** Asks for a change of members until they have heard enough of each other; undefined where etcd has another reason. */
export async function patiently(ask: () => Promise<Changed>): Promise<bigint | undefined> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const changed = await ask()
    if ('id' in changed) return changed.id
    if (!FOR_NOW.test(changed.refused) || performance.now() > end) return undefined
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** Codes by which etcd judges what it was asked. Of the others it could not answer: no leader, a time-out. */
const VERDICTS: readonly GrpcCode[] = ['InvalidArgument', 'PermissionDenied', 'Unauthenticated', 'FailedPrecondition']

/** What etcd itself says no to, in its own words, or how the call failed otherwise. */
export function refusedBy(error: unknown, remote: string): Observation {
  const isEtcds =
    error instanceof GrpcError && error.message.startsWith('etcdserver: ') && VERDICTS.includes(error.code)
  return isEtcds ? { remote, layer: 'app', code: error.code, text: error.message } : refusalFacts(error, remote)
}

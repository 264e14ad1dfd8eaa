/** etcd's own protocol in the hands of somebody who verifies nobody. */
import { etcdClient, type EtcdClient } from '../etcd/client.ts'
import { refusalFacts, type Caller } from './request.ts'
import { sealedBy } from './sealed-value.ts'
import type { Loot } from './world.ts'

export interface EtcdThief {
  /** Every value below a key prefix. */
  range(prefix: string): Promise<Loot>
  put(key: string, value: string | Uint8Array): Promise<void>
  delete(key: string): Promise<void>
  /** The new member's id, or why there is none. */
  addLearner(peerUrl: string): Promise<{ id: bigint } | { refused: string }>
  removeMember(id: bigint): Promise<void>
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
      caller.observe(refusalFacts(error, new URL(baseUrl).host))
      return undefined
    }
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
    async delete(key) {
      await attempt((etcd) => etcd.deleteRange({ key }))
    },
    async addLearner(peerUrl) {
      let refused = ''
      const id = await attempt((etcd) =>
        etcd.addMember([peerUrl], { isLearner: true }).catch((error: Error) => {
          refused = error.message
          throw error
        }),
      )
      return id === undefined ? { refused } : { id }
    },
    async removeMember(id) {
      await attempt((etcd) => etcd.removeMember(id))
    },
    close: () => client.close(),
  }
}

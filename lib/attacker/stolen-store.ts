/** Reads a stolen copy of etcd's data directory, offline: no process of the cluster is asked. */
import { readStore } from '../etcd/disk.ts'
import { sealedBy } from './sealed-value.ts'
import type { Loot, World } from './world.ts'

/** Every value that the copy holds under the key, old revisions included. The foothold calls the copy `etcd`. */
export async function readStolenStore(world: World, key: string): Promise<Loot> {
  const records = readStore(world.heldPath('etcd')).filter((record) => record.key === key)
  for (const { value } of records) {
    const sealed = sealedBy(key, value)
    if (sealed) world.observe(sealed)
  }
  return records.map(({ value }) => value)
}

/** What the system lets this process do with packets, in its own words: Node has no packet sockets to try it with. */
import { readFile } from 'node:fs/promises'
import type { Observation } from './world.ts'

/** linux/capability.h. */
const CAP_NET_RAW = 13n

/** packet(7): AF_PACKET needs CAP_NET_RAW in the effective set; without it socket(2) answers EPERM. */
export async function maySniff(observe: (observation: Observation) => void): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? ''
  if (effective === '') throw new Error('[capabilities_unknown] /proc/self/status: it names no effective capabilities')
  if ((BigInt(`0x${effective}`) >> CAP_NET_RAW) & 1n) return true
  observe({ layer: 'os', code: 'EPERM', text: `AF_PACKET needs CAP_NET_RAW, the effective set is ${effective}` })
  return false
}

/** Speaks for a real binary, which knows of no witness: its listening sockets and its log lines become witness lines. */
import type { ComponentProcess } from './component-process.ts'
import { etcdLogFacts } from './etcd-log.ts'
import { listeningSockets } from './port-owner.ts'
import type { RealBinary } from './real-binary.ts'
import type { WitnessFacts } from './witness.ts'

/** Nobody tells when a process opens a port. */
const LOOK_MS = 50

/** Begins to speak for the process, until it ends. */
export function speakFor(process: ComponentProcess, { goMinor }: RealBinary): void {
  const { component, host } = process.spec
  let sequence = 0
  const say = (facts: WitnessFacts): void => {
    process.emit('witness', { time: new Date().toISOString(), sequence: ++sequence, host, component, ...facts })
  }
  process.on('log', (line) => {
    const facts = etcdLogFacts(line, goMinor)
    if (facts) say(facts)
  })
  const open = new Set<string>()
  const look = setInterval(() => {
    const now = new Set(listeningSockets(process.pid).map(({ address, port }) => `${address}:${port}`))
    for (const local of now) if (!open.has(local)) say({ about: 'listener', decision: 'open', local })
    for (const local of open) if (!now.has(local)) say({ about: 'listener', decision: 'closed', local })
    open.clear()
    for (const local of now) open.add(local)
  }, LOOK_MS)
  look.unref()
  process.once('exit', () => clearInterval(look))
}

/**
 * uid 64002 of a machine  --/proc-->  the arguments and the environment of somebody else's program
 */
import { readdir, readFile } from 'node:fs/promises'
import type { Foothold } from '../../lib/attacker/foothold.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const HOST = 'control-plane-1'
const NEIGHBOUR_UID = 64002
const ADMINISTRATOR_UID = 64003
const [ARGUMENTS, ENVIRONMENT] = ['arguments', 'environment']

const userOf = (name: string, uid: number): Foothold => ({
  name,
  stands: { on: 'machine', host: HOST, uid },
  holds: {},
})

const THROUGH: Expectation = { kind: 'through' }
const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EACCES' }
const goal = { read: 'word', what: `a token of somebody's program` } as const

export default scenario({
  title: 'Secrets in the process table',
  story: `An administrator's program was given its token. As an argument it stands in the process table, which every user of the
machine may read. In the environment the kernel shows it to the same user alone. Processes and users are the system's own here, no
component's: the posture changes nothing.`,
  refs: [
    'proc(5): /proc/pid/cmdline, /proc/pid/environ, hidepid',
    'ptrace(2): PTRACE_MODE_READ_FSCREDS',
    'Trail of Bits 2019, finding 9 (kubernetes/kubernetes#81117)',
  ],
  cis: ['5.4.1'],
  attack: ['T1552.001', 'T1057'],
  variants: [
    {
      id: 'a',
      title: 'a token among the arguments',
      foothold: userOf('neighbour', NEIGHBOUR_UID),
      goal,
      target: ARGUMENTS,
      expect: { open: THROUGH, encrypted: THROUGH, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      twin: { through: { target: ENVIRONMENT } },
    },
    {
      id: 'b',
      title: 'a token in the environment',
      foothold: userOf('neighbour', NEIGHBOUR_UID),
      goal,
      target: ENVIRONMENT,
      expect: { open: REFUSED, encrypted: REFUSED, kubeadm: REFUSED, hardened: REFUSED, 'zero-trust': REFUSED },
      twin: { stopped: { foothold: userOf('the same user', ADMINISTRATOR_UID) } },
    },
  ],
  async prepare(operator, { canary, target, secret }) {
    const watching = commandOf(operator.client.server, secret)
    await operator.runProgram(
      target === ARGUMENTS
        ? { argv: [...watching, `--token=${canary}`], uid: ADMINISTRATOR_UID }
        : { argv: watching, environment: { KUBE_TOKEN: canary }, uid: ADMINISTRATOR_UID },
    )
  },
  async attempt(world) {
    const watching = [...commandOf(world.network.apiserver, world.goal.secret), ''].join('\0')
    const loot: Uint8Array[] = []
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      // What the system says of anybody else's program is no evidence on this one.
      const line = await readFile(`/proc/${pid}/cmdline`).catch(() => undefined)
      if (!line?.includes(watching)) continue
      loot.push(line)
      const environment = await world.environmentOf(pid)
      if (environment) loot.push(environment)
    }
    return loot
  },
})

/** As it stands in the process table: this cluster's and this act's, among all that run on the machine. */
function commandOf(server: string, secret: string): readonly [string, ...string[]] {
  return ['kubectl', `--server=${server}`, 'get', 'secret', secret, '--watch']
}

/**
 * uid 64002 of a machine  --/proc-->    the arguments and the environment of somebody else's program
 *                         --open(2)-->  the file that a unit's environment comes from
 */
import { readdir, readFile } from 'node:fs/promises'
import type { Foothold } from '../../lib/attacker/foothold.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const HOST = 'control-plane-1'
const WORKER = 'worker-2'
/** Where an administrator puts what the kubelet is to have in its environment: kubeadm's unit names it as EnvironmentFile. */
const ENVIRONMENT_FILE = '/etc/default/kubelet'
const [FOR_EVERYBODY, FOR_ITS_OWNER] = [0o644, 0o600]
const NEIGHBOUR_UID = 64002
const ADMINISTRATOR_UID = 64003
const [ARGUMENTS, ENVIRONMENT] = ['arguments', 'environment']
const [OPEN_FILE, CLOSED_FILE] = ['a file of 0644', 'a file of 0600']

const userOf = (name: string, uid: number, host = HOST): Foothold => ({
  name,
  stands: { on: 'machine', host, uid },
  holds: {},
})

const THROUGH: Expectation = { kind: 'through' }
const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EACCES' }
const goal = { read: 'word', what: `a token of somebody's program` } as const

export default scenario({
  title: 'Secrets in the process table',
  story: `An administrator's program was given its token. As an argument it stands in the process table, which every user of the
machine may read. In the environment the kernel shows it to the same user alone; but the file that a unit's environment comes from is a
file as others are, and its mode says who reads it. Processes, users and modes are the system's own here, no component's: the posture
changes nothing.`,
  refs: [
    'proc(5): /proc/pid/cmdline, /proc/pid/environ, hidepid',
    'systemd.exec(5): EnvironmentFile=, and why it is no place for secrets',
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
    {
      id: 'c',
      title: `a token in a unit's EnvironmentFile`,
      foothold: userOf('neighbour', NEIGHBOUR_UID, WORKER),
      goal,
      target: OPEN_FILE,
      expect: { open: THROUGH, encrypted: THROUGH, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      twin: { through: { target: CLOSED_FILE } },
    },
  ],
  async prepare(operator, { variant, canary, target, secret }) {
    if (variant === 'c') {
      const mode = target === OPEN_FILE ? FOR_EVERYBODY : FOR_ITS_OWNER
      return operator.placeFile(WORKER, ENVIRONMENT_FILE, `KUBE_TOKEN=${canary}\n`, mode)
    }
    const watching = commandOf(operator.client.server, secret)
    await operator.runProgram(
      target === ARGUMENTS
        ? { argv: [...watching, `--token=${canary}`], uid: ADMINISTRATOR_UID }
        : { argv: watching, environment: { KUBE_TOKEN: canary }, uid: ADMINISTRATOR_UID },
    )
  },
  async attempt(world, variant) {
    if (variant === 'c') {
      const file = await world.readAsUser(ENVIRONMENT_FILE)
      return file ? [file] : []
    }
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

/** What a range needs of the machine, asked by trying it; and what each lack weakens. */
import { execFile } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fence } from '../attacker/attacker-process.ts'
import { mayBecome } from '../attacker/second-uid.ts'
import { claimOctet } from '../cluster/addresses.ts'
import { nodeCommand } from '../cluster/node-command.ts'

export interface Check {
  name: string
  /** `broken`: no attack can be judged here. `lacking`: some can not, or something is not proved. */
  state: 'ok' | 'lacking' | 'broken'
  found: string
  /** What the lack weakens, and what to do. Absent where all is well. */
  weakens?: string
}

const MIB = 1024 ** 2

/** A whole run of two clusters with captures stays below this; measured: 6 MiB a cluster. */
const TEMP_NEED_MIB = 64
/** Two clusters of eight processes at about 65 MB each. */
const MEMORY_NEED_MIB = 1200
/** Of one process: the wire holds two descriptors for each connection. */
const FILES_NEED = 1024

export async function machineChecks(): Promise<Check[]> {
  const asked = Promise.all([addresses(), permissionModel(), secondUid(), networkNamespace(), ...TOOLS.map(tool)])
  return [node(), tempFolder(), openFiles(), memory(), ...(await asked)]
}

function node(): Check {
  const found = `${process.versions.node} on ${process.platform}`
  const [major = 0, minor = 0, patch = 0] = process.versions.node.split('.').map(Number)
  const isOld = major < 20 || (major === 20 && (minor < 18 || (minor === 18 && patch < 1)))
  if (isOld)
    return { name: 'Node', state: 'broken', found, weakens: 'nothing runs before 20.18.1: install a newer Node' }
  if (process.platform === 'linux') return { name: 'Node', state: 'ok', found }
  const weakens = 'the range was tried on Linux alone: what reads /proc (local/) has nothing to read elsewhere'
  return { name: 'Node', state: 'lacking', found, weakens }
}

async function addresses(): Promise<Check> {
  const name = 'addresses of 127/8'
  try {
    const claim = await claimOctet()
    await claim.release()
    return { name, state: 'ok', found: 'there, and free' }
  } catch (error) {
    return {
      name,
      state: 'broken',
      found: (error as Error).message,
      weakens: 'hosts have no addresses: no cluster starts',
    }
  }
}

/** An attacker's process reads what lies outside its foothold: it must fail. */
async function permissionModel(): Promise<Check> {
  const name = 'permission model'
  const script = `require('fs').readFileSync('/etc/passwd')`
  const [program, ...args] = nodeCommand([...fence([]), '-e', script])
  const { stderr } = await output(program!, args)
  if (stderr.includes('ERR_ACCESS_DENIED')) return { name, state: 'ok', found: `${fence([])[0]} holds` }
  const weakens = 'an attacker could read more than its foothold: verdicts prove nothing. Use an official build of Node'
  return { name, state: 'broken', found: stderr.split('\n').find(Boolean) ?? 'it does not hold', weakens }
}

function tempFolder(): Check {
  const name = 'temporary folder'
  const folder = tmpdir()
  try {
    rmSync(mkdtempSync(join(folder, 'mtls-range-')), { recursive: true })
    const { bavail, bsize } = statfsSync(folder)
    const free = Math.floor((bavail * bsize) / MIB)
    const found = `${folder}, ${free} MiB free`
    if (free >= TEMP_NEED_MIB) return { name, state: 'ok', found }
    return {
      name,
      state: 'lacking',
      found,
      weakens: `a run may end with [disk_full]: free ${TEMP_NEED_MIB} MiB, or set TMPDIR`,
    }
  } catch (error) {
    const weakens = 'a run has no place for its files: set TMPDIR to a folder that can be written to'
    return { name, state: 'broken', found: (error as Error).message, weakens }
  }
}

/** Node raises its soft limit to the hard one by itself; this is what came of that. */
function openFiles(): Check {
  const name = 'open files'
  const limits = read('/proc/self/limits')
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? 'unknown'
  if (!(Number(limit) < FILES_NEED)) return { name, state: 'ok', found: limit }
  const weakens = `long runs may end with EMFILE: ulimit -n ${FILES_NEED}`
  return { name, state: 'lacking', found: limit, weakens }
}

function memory(): Check {
  const name = 'memory and cores'
  const free = Math.floor(process.availableMemory() / MIB)
  const cores = availableParallelism()
  const found = `${free} MiB available, ${cores} ${cores === 1 ? 'core' : 'cores'}`
  if (free >= MEMORY_NEED_MIB && cores > 1) return { name, state: 'ok', found }
  return {
    name,
    state: 'lacking',
    found,
    weakens: 'two clusters at once are slow here, and slow looks like a hang: attack --clusters 1',
  }
}

/** Any uid will do that is not ours. */
const OTHER_UID = 64002

async function secondUid(): Promise<Check> {
  const name = 'a second uid'
  const weakens = 'attacks of an unprivileged user of a machine (local/) are skipped(needs_second_uid): run as root'
  if (process.getuid?.() !== 0) return { name, state: 'lacking', found: 'not root', weakens }
  const asked = mayBecome(OTHER_UID)
    ? await output('/usr/bin/id', ['-u'], { uid: OTHER_UID, gid: OTHER_UID })
    : undefined
  if (asked?.stdout.trim() === String(OTHER_UID)) return { name, state: 'ok', found: 'root may become another user' }
  return { name, state: 'lacking', found: `uid ${OTHER_UID} cannot be taken`, weakens }
}

async function networkNamespace(): Promise<Check> {
  const name = 'network namespace'
  const { failed, stderr } = await output('unshare', ['--map-root-user', '--net', 'true'])
  if (!failed) return { name, state: 'ok', found: 'of one’s own can be made' }
  const weakens =
    'real binaries that refuse loopback addresses (kubelet) cannot be put in; tests that need one are skipped'
  return { name, state: 'lacking', found: stderr.trim().split('\n')[0] || 'unshare(1) not found', weakens }
}

interface Tool {
  /** The first that is on PATH. */
  names: readonly string[]
  args: readonly string[]
  weakens: string
}

const TOOLS: readonly Tool[] = [
  { names: ['etcd'], args: ['--version'], weakens: '--with etcd=PATH has nothing to put in; its tests are skipped' },
  {
    names: ['etcdctl'],
    args: ['version'],
    weakens: 'the commands that `up` prints for etcd; tests with it are skipped',
  },
  {
    names: ['kubectl'],
    args: ['version', '--client'],
    weakens: 'the commands that `up` prints for the cluster; tests with it are skipped',
  },
  { names: ['tshark'], args: ['--version'], weakens: 'captures are not read back by Wireshark in tests' },
  { names: ['openssl'], args: ['version'], weakens: 'certificates of a run can be looked at with it' },
  {
    names: ['go'],
    args: ['version'],
    weakens: 'certificate verification is not compared with Go itself (npm run fuzz:x509)',
  },
  {
    names: ['chromium', 'chromium-browser', 'google-chrome'],
    args: ['--version'],
    weakens: 'nothing here needs it: an HTML report opens in any browser',
  },
]

async function tool({ names, args, weakens }: Tool): Promise<Check> {
  const program = names.map(onPath).find((path) => path !== undefined)
  if (program === undefined) return { name: names[0]!, state: 'lacking', found: 'not on PATH', weakens }
  const { stdout, stderr } = await output(program, args)
  const version = /\d+\.\d+(?:\.\d+)?/.exec(stdout || stderr)?.[0]
  return { name: names[0]!, state: 'ok', found: version === undefined ? program : `${version}, ${program}` }
}

/** The program's path, as a shell would find it. */
export function onPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return join(folder, name)
    } catch {
      // Not in this one.
    }
  }
  return undefined
}

function output(
  program: string,
  args: readonly string[],
  options: { uid?: number; gid?: number } = {},
): Promise<{ stdout: string; stderr: string; failed: boolean }> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 5000, ...options }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, failed: error !== null })
    })
  })
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

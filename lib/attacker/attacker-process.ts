/**
 * Starts an attacker's process. Node's permission model lets it read its foothold and this package's code; it may write
 * nothing but what its foothold names, start nothing and load no addon. The network cannot be fenced that way: the wire's ledger proves it instead.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand, TLS_ENVIRONMENT } from '../cluster/node-command.ts'
import { entryPoint } from '../settings/entry-point.ts'
import { packageRoot } from '../settings/package-root.ts'
import type { AttackerCall, AttackerResult, AttemptOrder, FromAttacker, ToAttacker } from './range-channel.ts'
import type { Observation } from './world.ts'

/** The compiled tree that this file lies in. */
const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

const [NODE_MAJOR = 0] = process.versions.node.split('.').map(Number)

/** The permission model's flags by Node version: experimental in 20, `--allow-net` needed from 25 on. */
export function fence(
  readable: readonly string[],
  { writable = [], nodeMajor = NODE_MAJOR }: { writable?: readonly string[]; nodeMajor?: number } = {},
): string[] {
  return [
    nodeMajor >= 22 ? '--permission' : '--experimental-permission',
    '--no-warnings',
    ...(nodeMajor >= 25 ? ['--allow-net'] : []),
    ...readable.map((path) => `--allow-fs-read=${path}`),
    ...writable.map((path) => `--allow-fs-write=${path}`),
  ]
}

/** Where the package's dependencies lie: npm puts them below it in a checkout, and beside it where it is itself one. */
export function packageFolders(root: string): string[] {
  const parts = root.split(sep)
  const above = parts.flatMap((part, index) => (part === 'node_modules' ? [parts.slice(0, index + 1).join(sep)] : []))
  return [join(root, 'node_modules'), ...above]
}

/** Whether every attacker may read that scenario: it is one of the package's own. */
export function isShipped(scenario: string | undefined): boolean {
  return scenario === undefined || fileURLToPath(scenario).startsWith(join(COMPILED, 'scenarios', sep))
}

export interface AttackerOptions {
  /** The foothold's folder. */
  foothold: string
  /** File URL of the scenario, where it is not one of the package's own. */
  scenario?: string
  /** Folder that is the machine's root, for an unprivileged user of it. */
  machineRoot?: string
  /** The one folder of a machine that the foothold may write into. */
  writable?: string
  timeoutMs?: number
}

/** What came of an act. `timedOut` says that it never came to an end: a hang is not a defence. */
export interface Attempted extends Omit<AttackerResult, 'kind'> {
  observed: readonly Observation[]
  timedOut: boolean
}

/** What the range does when an attacker asks for it. */
export type AnswerCall = (call: AttackerCall) => Promise<void>

export class AttackerProcess {
  readonly #child: ChildProcess
  readonly #ready: Promise<void>
  readonly #gone: Promise<void>
  readonly #timeoutMs: number
  #lastWords = ''

  constructor(options: AttackerOptions) {
    this.#timeoutMs = options.timeoutMs ?? 10_000
    const readable = [
      join(options.foothold, '*'),
      join(COMPILED, 'lib', '*'),
      join(COMPILED, 'scenarios', '*'),
      ...packageFolders(packageRoot()).map((folder) => join(folder, '*')),
      join(packageRoot(), 'package.json'),
      // What the system says this process may do.
      '/proc/*',
      ...(options.scenario ? [fileURLToPath(options.scenario)] : []),
      ...(options.machineRoot ? [join(options.machineRoot, '*')] : []),
    ]
    const main = entryPoint('lib/attacker')
    const [program, ...args] = nodeCommand(
      [
        ...fence(readable, options.writable === undefined ? {} : { writable: [join(options.writable, '*')] }),
        main,
        options.foothold,
      ],
      { tls: true },
    )
    this.#child = spawn(program!, args, {
      env: { ...TLS_ENVIRONMENT },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString('utf8')).slice(-8192)
    })
    this.#gone = new Promise((resolve) => this.#child.once('close', () => resolve()))
    this.#ready = new Promise((resolve, reject) => {
      this.#child.once('message', () => resolve())
      this.#child.once('error', reject)
      void this.#gone.then(() => reject(new Error(`[attacker_died] ${this.#lastWords}`)))
    })
    this.#ready.catch(() => {})
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Runs one act. */
  async attempt(order: AttemptOrder, answer: AnswerCall): Promise<Attempted> {
    await this.#ready
    const { promise, resolve } = latch<Attempted>()
    const observed: Observation[] = []
    const onMessage = (message: FromAttacker): void => {
      if (message.kind === 'observed') observed.push(message.observation)
      if (message.kind === 'result') resolve({ ...message, observed, timedOut: false })
      if (message.kind === 'call') {
        answer(message).then(
          () => this.#send({ kind: 'answer', id: message.id }),
          (error: Error) => this.#send({ kind: 'answer', id: message.id, error: error.message }),
        )
      }
    }
    this.#child.on('message', onMessage)
    const timer = setTimeout(() => resolve({ loot: [], observed, timedOut: true }), this.#timeoutMs)
    void this.#gone.then(() =>
      resolve({ loot: [], observed, timedOut: false, fault: `the attacker's process died: ${this.#lastWords}` }),
    )
    this.#send(order)
    const result = await promise
    clearTimeout(timer)
    this.#child.off('message', onMessage)
    return result
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
  }

  #send(message: ToAttacker): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}

function latch<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((yes) => {
    resolve = yes
  })
  return { promise, resolve }
}

/** A component as a child process, with a kubeconfig for an API in memory: its log, its witness lines, its end. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { WitnessLine } from '../../../lib/cluster/witness.ts'
import { entryPoint } from '../../../lib/settings/entry-point.ts'

export interface ControllerChild {
  stderr: () => string
  witnessed: WitnessLine[]
  /** Resolves with the first answer that is not undefined, looking again after each witness line, log line and the end. */
  until: <T>(look: () => T | undefined, what: string) => Promise<T>
  exited: Promise<number | null>
  kill: (signal?: NodeJS.Signals) => void
}

const DEADLINE_MS = 10_000

/** Tap loads itself into children, which slows them; env(1) drops that. */
export function startController(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): ControllerChild {
  const options = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS', process.execPath, entryPoint(`sim/${name}`)]
  const child = spawn('/usr/bin/env', [...options, ...args], {
    env: { ...process.env, MTLS_RANGE_WITNESS_FD: '3', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const witnessed: WitnessLine[] = []
  const lookers = new Set<() => void>()
  let [log, pending, ended] = ['', '', false]
  const changed = (): void => lookers.forEach((look) => look())
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    log += text
    changed()
  })
  ;(child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    const lines = (pending + text).split('\n')
    pending = lines.pop() ?? ''
    witnessed.push(...lines.map((line) => JSON.parse(line) as WitnessLine))
    changed()
  })
  const exited = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      ended = true
      changed()
      resolve(code)
    }),
  )
  return {
    stderr: () => log,
    witnessed,
    exited,
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    until: (look, what) =>
      new Promise((resolve, reject) => {
        const end = (how: () => void): void => {
          clearTimeout(timer)
          lookers.delete(again)
          how()
        }
        const fail = (why: string): void => end(() => reject(new Error(`${why}: ${what}\n${log}`)))
        const timer = setTimeout(() => fail('waited in vain'), DEADLINE_MS)
        const again = (): void => {
          const found = look()
          if (found !== undefined) end(() => resolve(found))
          else if (ended) fail('the process ended')
        }
        lookers.add(again)
        again()
      }),
  }
}

export interface KubeconfigFolder {
  path: string
  /** Writes a file of the folder; answers its path. */
  file: (name: string, text: string) => string
  remove: () => void
}

/** A folder with `kubeconfig` in it, which leads to `server` with nobody's credential. */
export function kubeconfigFolder(server: string): KubeconfigFolder {
  const path = mkdtempSync(join(tmpdir(), 'controller-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(path, name), text)
    return join(path, name)
  }
  file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server } }],
      users: [{ name: 'u', user: { token: 'component' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  return { path, file, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A port that was free a moment ago: 0 would close the secure port. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The port of the first listener that was told of. */
export function listeningAt(child: ControllerChild): Promise<string> {
  return child.until(() => child.witnessed.find(({ about }) => about === 'listener')?.local, 'a listener')
}

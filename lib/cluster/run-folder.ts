/**
 * Everything a run writes lies in one folder, and the folder ends with the run: a janitor process holds the other end
 * of a pipe and removes it when the range is gone, however it went.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MachineFault, machineFault } from './machine-fault.ts'
import { nodeCommand } from './node-command.ts'

export interface RunFolder {
  path: string
  /** Tells the janitor of a process that must not outlive the range. */
  watch(pid: number): void
  /** Removes the folder and everything in it. */
  remove(): Promise<void>
}

/** @throws MachineFault `[run_folder]` where no folder can be made. */
export function makeRunFolder(): RunFolder {
  const path = makeFolder()
  // Search for all, list for nobody: an unprivileged user of a simulated machine must reach what modes allow it to.
  chmodSync(path, 0o711)
  const janitor = startJanitor(path)
  return {
    path,
    watch: (pid) => void janitor.stdin?.write(`${pid}\n`),
    async remove() {
      if (janitor.exitCode === null && janitor.signalCode === null) {
        const gone = new Promise<void>((resolve) => janitor.once('exit', () => resolve()))
        // From here on somebody waits for it.
        janitor.ref()
        janitor.stdin?.end()
        await gone
      }
      rmSync(path, { recursive: true, force: true })
    },
  }
}

function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'mtls-range-'))
  } catch (error) {
    const why = (error as Error).message.split(',')[0]
    const text = `[run_folder] ${tmpdir()}: a run's files must go there, ${why} (set TMPDIR to a folder that can be written to)`
    throw machineFault(error) ?? new MachineFault(text, { cause: error })
  }
}

function startJanitor(folder: string): ChildProcess {
  const [command, ...args] = nodeCommand([fileURLToPath(new URL('./janitor.js', import.meta.url)), folder])
  // A group of its own: Ctrl-C in a terminal reaches the whole foreground group, and the janitor must outlive it.
  const janitor = spawn(command!, args, { stdio: ['pipe', 'ignore', 'ignore'], env: {}, detached: true })
  janitor.stdin?.on('error', () => {})
  janitor.unref()
  ;(janitor.stdin as unknown as { unref(): void } | null)?.unref()
  return janitor
}

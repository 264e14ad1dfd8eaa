/** One program that runs in a simulated container. */
import { PROGRAMS } from './programs.ts'
import type { FileTree } from './file-tree.ts'
import type { PodNetwork } from './pod-network.ts'
import type { Terminal } from './terminal.ts'

/** What a program sees of the container that it runs in. */
export interface Surroundings {
  hostname: string
  files: FileTree
  network: PodNetwork
}

export interface Execution {
  container: Surroundings
  environment: Map<string, string>
  folder: string
  stdin: AsyncIterable<Buffer>
  out: (bytes: Buffer | string) => void
  err: (bytes: Buffer | string) => void
  /** Of a program that was started with one; stdin, out and err are its then. */
  terminal?: Terminal
  /** Aborted when the container or the client goes. The reason may be an exit code. */
  signal: AbortSignal
}

/** 128 and SIGKILL. */
export const KILLED = 137

/** The exit code of a program that its signal ended. */
export function endedBy({ reason }: AbortSignal): number {
  return typeof reason === 'number' ? reason : KILLED
}

/** Shells read the terminal themselves, and outlive an interrupt. */
const SHELLS = new Set(['sh', 'bash'])

/** A command that is no program of the container, in the words of containerd and runc. */
export class NotExecutable extends Error {
  override readonly name = 'NotExecutable'
}

const NOT_STARTED = 'failed to start exec: OCI runtime exec failed: exec failed: unable to start container process'

/** Runs one program by its words. @throws NotExecutable */
export async function runProgram(words: readonly string[], execution: Execution): Promise<number> {
  const [name, ...args] = words
  if (name === undefined) throw new NotExecutable('no command specified')
  const own = name.replace(/^(\/usr)?\/bin\//, '')
  const program = PROGRAMS.get(own)
  if (program) return program(args, SHELLS.has(own) ? execution : foreground(execution))
  if (name.includes('/'))
    throw new NotExecutable(`${NOT_STARTED}: exec: ${JSON.stringify(name)}: stat ${name}: no such file or directory`)
  throw new NotExecutable(`${NOT_STARTED}: exec: ${JSON.stringify(name)}: executable file not found in $PATH`)
}

/** With a terminal, a program ends at the next ^C. */
function foreground(execution: Execution): Execution {
  const { terminal, signal, stdin } = execution
  if (!terminal) return execution
  const interruptible = AbortSignal.any([signal, terminal.interrupt])
  return {
    ...execution,
    signal: interruptible,
    stdin: stdin === terminal ? terminal.until(interruptible) : stdin,
  }
}

export async function* noInput(): AsyncGenerator<Buffer> {}

/** One program that runs in a simulated container. */
import { PROGRAMS } from './programs.ts'
import type { FileTree } from './file-tree.ts'

/** What a program sees of the container that it runs in. */
export interface Surroundings {
  hostname: string
  files: FileTree
}

export interface Execution {
  container: Surroundings
  environment: Map<string, string>
  folder: string
  stdin: AsyncIterable<Buffer>
  out: (bytes: Buffer | string) => void
  err: (bytes: Buffer | string) => void
  /** Aborted when the container or the client goes. */
  signal: AbortSignal
}

/** A command that is no program of the container, in the words of containerd and runc. */
export class NotExecutable extends Error {
  override readonly name = 'NotExecutable'
}

const NOT_STARTED = 'failed to start exec: OCI runtime exec failed: exec failed: unable to start container process'

/** Runs one program by its words. @throws NotExecutable */
export async function runProgram(words: readonly string[], execution: Execution): Promise<number> {
  const [name, ...args] = words
  if (name === undefined) throw new NotExecutable('no command specified')
  const program = PROGRAMS.get(name.replace(/^(\/usr)?\/bin\//, ''))
  if (program) return program(args, execution)
  if (name.includes('/'))
    throw new NotExecutable(`${NOT_STARTED}: exec: ${JSON.stringify(name)}: stat ${name}: no such file or directory`)
  throw new NotExecutable(`${NOT_STARTED}: exec: ${JSON.stringify(name)}: executable file not found in $PATH`)
}

export async function* noInput(): AsyncGenerator<Buffer> {}

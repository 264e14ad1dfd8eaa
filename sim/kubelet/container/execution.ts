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

/** A command that is no program of the container: the runtime's words, `exec: "x": executable file not found in $PATH`. */
export class NotExecutable extends Error {
  override readonly name = 'NotExecutable'
}

/** Runs one program by its words. @throws NotExecutable */
export async function runProgram(words: readonly string[], execution: Execution): Promise<number> {
  const [name = '', ...args] = words
  const program = PROGRAMS.get(name.replace(/^(\/usr)?\/bin\//, ''))
  if (!program) {
    const isPath = name.includes('/')
    throw new NotExecutable(
      isPath
        ? `stat ${name}: no such file or directory`
        : `exec: ${JSON.stringify(name)}: executable file not found in $PATH`,
    )
  }
  return program(args, execution)
}

export async function* noInput(): AsyncGenerator<Buffer> {}

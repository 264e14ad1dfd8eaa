/**
 * A program that an honest person has running on a machine: its arguments and environment lie where the system keeps those of
 * every process (proc(5)), and the system decides who reads them. It waits on its standard input, so that it ends with the range.
 */
import { spawn } from 'node:child_process'

export interface ProgramOrder {
  /** The program's name first. */
  argv: readonly [string, ...string[]]
  environment?: Readonly<Record<string, string>>
  /** Whose it is. */
  uid: number
}

export interface Program {
  pid: number
  stop(): Promise<void>
}

/**
 * Resolves once it is in the process table, as a shell that plays it: `/bin/sh -c <script> <argv>`. The shell keeps its own name, as
 * busybox goes by it. Rejects where the system does not start it.
 */
export async function startProgram({ argv, environment = {}, uid }: ProgramOrder): Promise<Program> {
  // A shell is what everybody on a machine may execute; Node may lie in a home of root's.
  const child = spawn('/bin/sh', ['-c', 'echo; read _', ...argv], {
    env: { ...environment },
    uid,
    gid: uid,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.stdout.once('data', () => resolve())
    void gone.then(() => reject(new Error(`[program_ended] ${argv[0]}: ended before it was seen`)))
  })
  return {
    pid: child.pid ?? 0,
    stop: () => {
      child.kill('SIGKILL')
      return gone
    },
  }
}

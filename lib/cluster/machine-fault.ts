/** A fault of the machine, not of a posture, an attack or the range: nothing more can be judged here and now. */
import { tmpdir } from 'node:os'

export class MachineFault extends Error {}

/** The fault in our words where the machine is to blame for an error, or undefined. */
export function machineFault(error: unknown): MachineFault | undefined {
  if (error instanceof MachineFault) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT' || isDiskFull(String(message))) return diskFull(error)
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined
  const text = '[open_files] this process: may not open so many files (raise the limit: ulimit -n 4096)'
  return new MachineFault(text, { cause: error })
}

/** Whether a program's words say that it could not write; Go's and Node's words are libc's. */
export function isDiskFull(words: string): boolean {
  return words.includes('no space left on device') || words.includes('disk quota exceeded')
}

export function diskFull(cause?: unknown): MachineFault {
  const text = `[disk_full] ${tmpdir()}: has no room left for a run's files (free some, or set TMPDIR to another folder)`
  return new MachineFault(text, { cause })
}

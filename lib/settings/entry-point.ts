/** The files that this package's own processes are started from. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The compiled tree that this file lies in. */
const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

/**
 * What to give node(1) for the program in a folder of the compiled tree (`sim/etcd`): the one that the build packed into
 * one file with V8's code for it, which starts in half the time, or the compiled file where that was not packed since.
 */
export function entryPoint(folder: string): string {
  const packed = join(COMPILED, folder, 'main.cjs')
  const compiled = join(COMPILED, folder, 'main.js')
  const packedMs = statSync(packed, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return packedMs >= statSync(compiled).mtimeMs ? packed : compiled
}

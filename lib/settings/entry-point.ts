/** The files that this package's own processes are started from. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The compiled tree that this file lies in. */
const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

/**
 * What to give node(1) for the program in a folder of the compiled tree (`sim/etcd`): the one that the build packed into
 * one file with V8's code for it, which starts in half the time. In a checkout it may be older than the compiled file, which
 * is taken then; what is installed was packed last of all, whatever times its files have got.
 */
export function entryPoint(folder: string, compiled = COMPILED): string {
  const packed = join(compiled, folder, 'main.cjs')
  const plain = join(compiled, folder, 'main.js')
  const packedMs = statSync(packed, { throwIfNoEntry: false })?.mtimeMs
  if (packedMs === undefined) return plain
  const isCheckout = existsSync(join(compiled, '..', 'tsconfig.json'))
  return isCheckout && packedMs < statSync(plain).mtimeMs ? plain : packed
}

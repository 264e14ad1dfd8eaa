/**
 * Has V8 optimize later than it would. The processes of a range are started by the dozen and live for seconds: what V8 optimizes in
 * the background for a long life is CPU that the others wait for (of a cluster's start 0.7 of 2.5 s of it on two cores; Node 20).
 * What is hot for longer is optimized all the same.
 */
import { setFlagsFromString } from 'node:v8'

const NODE_MAJOR = Number(process.versions.node.split('.')[0])
/** Where these flags are known to V8, which writes a line to stderr about one that it does not know. */
const [FIRST_TRIED, LAST_TRIED] = [20, 26]

/** undici's parser of HTTP is one WebAssembly function: TurboFan takes 85 ms for it in each process that uses it, the baseline compiler's code does. */
const BASELINE_WASM = '--liftoff-only'
/** Nine times the default. */
const LATE_BEFORE_22 = ['--interrupt-budget=600000']
/** Eight times the defaults. */
const LATE = ['--invocation-count-for-turbofan=24000', '--invocation-count-for-maglev=3200']

/** To be called before much has run. */
export function optimizeLate(): void {
  if (NODE_MAJOR < FIRST_TRIED || NODE_MAJOR > LAST_TRIED) return
  for (const flag of [BASELINE_WASM, ...(NODE_MAJOR < 22 ? LATE_BEFORE_22 : LATE)]) setFlagsFromString(flag)
}

/**
 * Runs simulated Raft groups until a promise is broken or the steps are done: `node dist/test/fuzz/raft.js --steps 5000000 --seed 1`.
 * The steps are spread over worlds of `--world` steps each, with the seeds from `--seed` on; a failure names the seed of its world.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { RaftWorld, type Sabotage } from './raft-world.ts'

export interface RaftFuzzResult {
  worlds: number
  operations: number
  leaders: number
  committed: number
  /** Of the first world that broke a promise. */
  failure?: { seed: number; text: string }
}

export function fuzzRaft(options: { steps: number; seed: number; world: number; sabotage?: Sabotage }): RaftFuzzResult {
  const { steps, seed, world, sabotage } = options
  const result: RaftFuzzResult = { worlds: 0, operations: 0, leaders: 0, committed: 0 }
  for (let done = 0; done < steps; done += world) {
    const own = seed + result.worlds
    const each = new RaftWorld(own, sabotage)
    try {
      each.run(Math.min(world, steps - done))
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { ...result, failure: { seed: own, text } }
    }
    result.worlds++
    result.operations += each.operationsDone
    result.leaders += each.safety.leaderCount
    result.committed += each.safety.committedIndex
  }
  return result
}

function main(): void {
  const { values } = parseArgs({
    options: {
      steps: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      world: { type: 'string', default: '20000' },
      sabotage: { type: 'string' },
    },
  })
  const [steps, seed, world] = [Number(values.steps), Number(values.seed), Number(values.world)]
  const sabotage = values.sabotage as Sabotage | undefined
  const { failure, ...tally } = fuzzRaft({ steps, seed, world, ...(sabotage ? { sabotage } : {}) })
  process.stdout.write(`steps ${steps}, seed ${seed}: ${JSON.stringify(tally)}\n`)
  if (!failure) return
  const again = `node dist/test/fuzz/raft.js --steps ${world} --world ${world} --seed ${failure.seed}`
  process.stdout.write(
    `seed ${failure.seed}: ${failure.text}\nagain: ${again}${sabotage ? ` --sabotage ${sabotage}` : ''}\n`,
  )
  process.exitCode = 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()

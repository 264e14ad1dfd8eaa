/** `mtls-range doctor`: what this machine can and cannot do. Exit code 2 where no attack could be judged here. */
import { palette } from '../report/colour.ts'
import { EXIT } from './exit.ts'
import { machineChecks, type Check } from './machine-checks.ts'

const NAME_WIDTH = 20

export async function doctor(options: { json?: boolean }): Promise<void> {
  const checks = await machineChecks()
  process.exitCode = checks.some(({ state }) => state === 'broken') ? EXIT.fault : EXIT.good
  if (options.json) return void process.stdout.write(checks.map((check) => `${JSON.stringify(check)}\n`).join(''))
  const colour = palette(process.stdout)
  const mark: Record<Check['state'], string> = {
    ok: colour.good('ok     '),
    lacking: colour.warn('lacking'),
    broken: colour.bad('broken '),
  }
  for (const { name, state, found, weakens } of checks) {
    process.stdout.write(`${mark[state]}  ${name.padEnd(NAME_WIDTH)}  ${found}\n`)
    if (weakens) process.stdout.write(`${' '.repeat(9)}${colour.dim(weakens)}\n`)
  }
  const count = (wanted: Check['state']): number => checks.filter(({ state }) => state === wanted).length
  const broken = count('broken')
  process.stdout.write(
    broken > 0
      ? `${colour.bad(`the range cannot run here: ${broken} broken`)}\n`
      : `${colour.good('the range runs here')}, ${count('lacking')} lacking\n`,
  )
}

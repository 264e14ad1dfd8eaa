/**
 * `mtls-range run <component> [flags…]`: one component alone. What comes after the component's name is the real binary's
 * command line and read by nobody else; output, signals and exit codes are the component's.
 */
import { spawn } from 'node:child_process'
import { simulatedCommand } from '../cluster/component-command.ts'
import { TLS_ENVIRONMENT } from '../cluster/node-command.ts'
import { COMPONENTS, isComponent } from '../posture/component.ts'
import { nearest } from '../settings/near.ts'

/** What a shell, a terminal or a supervisor sends. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const

const LIFELINE_FD = 3

/** Ends this process as the component ended: with its exit code, or by the signal that ended it. */
export async function run(component: string, args: readonly string[]): Promise<void> {
  if (!isComponent(component)) throw unknownComponent(component)
  const [program, ...rest] = simulatedCommand(component, args)
  const child = spawn(program!, rest, {
    env: { ...process.env, ...TLS_ENVIRONMENT, MTLS_RANGE_LIFELINE_FD: String(LIFELINE_FD) },
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    // A group of its own: a terminal's Ctrl-C would reach it twice, once from the terminal and once from here.
    detached: true,
  })
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal))
  process.on('SIGTSTP', () => {
    child.kill('SIGSTOP')
    process.kill(process.pid, 'SIGSTOP')
  })
  const { code, signal } = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    },
  )
  if (signal === null) process.exit(code ?? 1)
  for (const each of PASSED_ON) process.removeAllListeners(each)
  process.kill(process.pid, signal)
}

function unknownComponent(name: string): Error {
  const near = nearest(name, COMPONENTS)
  const hint = near === undefined ? `there are ${COMPONENTS.join(', ')}` : `did you mean ${near}?`
  return new Error(`[component_unknown] no component is called ${JSON.stringify(name)} (${hint})`)
}

/**
 * The attacker's process. It was started so that it can read its foothold and this code, nothing else; it hears what to
 * attempt over IPC, and answers with what it got hold of and what it saw.
 */
import { optimizeLate } from '../settings/optimize-late.ts'
import { encodeLoot, type FromAttacker, type ToAttacker } from './range-channel.ts'
import { createWorld, type AnswerWaiter } from './create-world.ts'
import type { Observation } from './world.ts'

optimizeLate()

const folder = process.argv[2] ?? ''
const waiting = new Map<number, AnswerWaiter>()

function send(message: FromAttacker): void {
  process.send?.(message)
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToAttacker) => {
  if (message.kind === 'answer') {
    const waiter = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) waiter?.resolve()
    else waiter?.reject(new Error(message.error))
    return
  }
  const observe = (observation: Observation): void => send({ kind: 'observed', observation })
  const world = createWorld(folder, message, { observe, waiting, send })
  import(message.scenario)
    .then(({ default: scenario }) => {
      if (message.machine?.uid !== undefined) becomeUser(message.machine.uid)
      return scenario.attempt(world, message.variant)
    })
    .then((loot) => send({ kind: 'result', loot: encodeLoot(loot) }))
    .catch((error: unknown) => {
      const fault = error instanceof Error ? (error.stack ?? error.message) : String(error)
      send({ kind: 'result', loot: [], fault })
    })
})
/**
 * Drops to an unprivileged user once the code is loaded: a checkout may lie in a folder that only its owner can read,
 * and the user's own reach begins after that.
 */
function becomeUser(uid: number): void {
  process.setgroups?.([])
  process.setgid?.(uid)
  process.setuid?.(uid)
}

send({ kind: 'ready' })

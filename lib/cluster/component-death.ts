/** Why a component ended before it served: a taken port, a full disk, or what its last words say of the posture. */
import type { Launch } from '../posture/render-host.ts'
import { postureFile, type Posture } from '../posture/posture.ts'
import type { ComponentProcess } from './component-process.ts'
import { diskFull, isDiskFull, MachineFault } from './machine-fault.ts'
import { portOwner } from './port-owner.ts'

/** Go's and Node's words for EADDRINUSE. */
const TAKEN = /listen (?:tcp )?(?:EADDRINUSE: address already in use )?\[?([\d.]+|[\da-f:]+)\]?:(\d+)/

export function deathOf(process: ComponentProcess, launches: readonly Launch[], posture: Posture): Error {
  const words = process.lastWords
  if (isDiskFull(words)) return diskFull()
  const [, address = '', port = ''] = /in use/.test(words) ? (TAKEN.exec(words) ?? []) : []
  if (port !== '') return portTaken(process, address, Number(port))
  const launch = launches.find(
    ({ component, host }) => component === process.spec.component && host === process.spec.host,
  )
  // As the component would say it on the host that it believes to be on.
  const own = launch === undefined ? words : words.replaceAll(`${process.spec.folder}/hosts/${launch.host}/`, '/')
  const where = launch === undefined ? '' : ` (${mistakeIn(posture, launch, own)})`
  return new Error(`[component_died] ${process.name}: ended with ${howOf(process)}${where}; its last words:\n${own}`)
}

function portTaken(process: ComponentProcess, address: string, port: number): MachineFault {
  const owner = portOwner(address, port)
  const who = owner === undefined ? 'somebody else does already' : `${owner} does already`
  return new MachineFault(
    `[port_taken] ${address}:${port}: ${process.name} must listen there, but ${who} (end it, or have it listen on ` +
      'one address instead of all)',
  )
}

/** `SIGKILL`, `exit code 1` */
export function howOf({ exited }: Pick<ComponentProcess, 'exited'>): string {
  return exited?.signal ?? `exit code ${exited?.code}`
}

/** A range's own notices about flags are no mistakes. */
const NOTICE = /\[flag_inert\]|flag has no effect/

/** How klog, cobra and zap begin to say why they end; what follows on lines of its own belongs to it. */
const COMPLAINT = /^E\d{4} |^Error: |"level":"(?:error|fatal|panic)"/

/**
 * `file:line:column` of what the last words complain about: a place in a file that they name themselves, or a flag or
 * path in the file that the component is started from; that file alone where they name neither.
 */
function mistakeIn(posture: Posture, launch: Launch, words: string): string {
  const lines = words.split('\n').filter((line) => !NOTICE.test(line))
  const begin = lines.findLastIndex((line) => COMPLAINT.test(line))
  const complaint = lines.slice(begin === -1 ? -2 : begin).join('\n')
  const tokens = complaint.match(/--[a-z][\w-]*|(?<![\w/.])\/[\w./-]+/g) ?? []
  const [, line, column] = /line (\d+), column (\d+)/.exec(complaint) ?? []
  const named = tokens.map((token) => postureFile(posture, launch.host, token)).find((file) => posture.files.has(file))
  if (named !== undefined && line !== undefined) return `${named}:${line}:${column}`
  const source = postureFile(posture, launch.host, launch.source)
  const text = posture.files.get(source)?.split('\n') ?? []
  for (const token of tokens) {
    const at = text.findIndex((line) => line.includes(token))
    if (at !== -1) return `${source}:${at + 1}:${text[at]!.indexOf(token) + 1}`
  }
  return named ?? (text.length > 0 ? source : `started as ${launch.source} says`)
}

/**
 * What a process decided about somebody else, one JSON line each. A component writes them to the descriptor that
 * MTLS_RANGE_WITNESS_FD names and to nowhere if there is none, so its stderr can look like the real component's log.
 */
import { writeSync } from 'node:fs'
import type { Layer } from '../tls/layer.ts'

/** What was decided about. `listener` lines carry `local` alone and tell the wire which ports are open. */
export type WitnessSubject =
  | 'listener'
  | 'connection'
  | 'certificate'
  | 'request'
  | 'stream'
  | 'login'
  | 'admission'
  | 'decryption'

export interface WitnessLine {
  /** RFC 3339 with milliseconds. */
  time: string
  /** Counts from 1 in each process. */
  sequence: number
  host: string
  component: string
  about: WitnessSubject
  decision: 'open' | 'closed' | 'allow' | 'refuse'
  /** `ip:port` of this process's end and of the other end of the connection; the wire's ledger joins on them. */
  local?: string
  remote?: string
  layer?: Layer
  /** Short stable word, such as `Unauthorized`, `unknown_ca`, `Forbidden`. */
  code?: string
  /** User name, or the certificate's subject where no user name was reached. */
  identity?: string
  /** Certificate serial, lower-case hex. */
  serial?: string
  /** `VERB /path` of a request, full method name of a gRPC call. */
  request?: string
  auditId?: string
  /** The component's own words: the log line or response message. */
  text?: string
}

export type WitnessFacts = Omit<WitnessLine, 'time' | 'sequence' | 'host' | 'component'>

const descriptor = Number(process.env['MTLS_RANGE_WITNESS_FD'] ?? Number.NaN)
/** Whether anybody listens: outside a range a component has nobody to tell. */
export const isWitnessed = Number.isInteger(descriptor)

const host = process.env['MTLS_RANGE_HOST'] ?? ''
let component = ''
let sequence = 0

/** Names this process in its witness lines, by the real binary's name. Call once, first thing in main. */
export function witnessAs(name: string): void {
  component = name
}

let waiting = ''

/**
 * Says one witness line. A refusal is written at once, whole, with all that was said before it: a process that is killed
 * next has still said it. The rest is written at the end of the turn, many lines with one call.
 */
export function witness(facts: WitnessFacts): void {
  if (!isWitnessed) return
  const line: WitnessLine = { time: new Date().toISOString(), sequence: ++sequence, host, component, ...facts }
  if (waiting === '') setImmediate(() => write())
  waiting += `${JSON.stringify(line)}\n`
  if (facts.decision === 'refuse' || facts.about === 'listener') write()
}

function write(attempts = 1000): void {
  let bytes = Buffer.from(waiting, 'utf8')
  waiting = ''
  for (let left = attempts; bytes.length > 0 && left > 0; left -= 1) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes))
    } catch (error) {
      // EPIPE: the range is gone, and the lifeline ends us. EAGAIN: it reads slower than we speak.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

process.once('exit', () => write())

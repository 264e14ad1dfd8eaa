/**
 * `npm run --silent x509:verdicts`: puts any corpus of certificate chains to lib/x509. JSON lines on stdin, one JSON line
 * for each on stdout, in the same order; an empty line is passed over.
 *
 *     {"id": …, "chain": [base64 DER, leaf first], "roots": [base64 DER], "time": RFC 3339, "usage"?: …, "names"?: […]}
 *     {"id": …, "ok": true}
 *     {"id": …, "ok": false, "stage": "parse" | "verify" | "hostname" | "input", "error": …}
 *
 * `usage` is serverAuth (as Go's Verify has it by default), clientAuth or any. Every name must hold; the first that does
 * not is answered with. Roots that do not parse are left out, as Go's pools leave them. `stage` `input` means the line
 * itself: it is answered with its id, or null where it has none. Texts are Go's, with times in the zone of `time`.
 */
import { createInterface } from 'node:readline'
import { parseChain } from '../x509/parse.ts'
import { certPool, type CertPool } from '../x509/pool.ts'
import { verify, type VerifyOptions } from '../x509/verify.ts'

type Answer =
  | { id: unknown; ok: true }
  | { id: unknown; ok: false; stage: 'input' | 'parse' | 'verify' | 'hostname'; error: string }

interface Question {
  chain: Buffer[]
  roots: CertPool
  time: Date
  zoneMinutes: number
  usage: VerifyOptions['usage']
  names: string[]
}

class BadInput extends Error {}

function answerLine(line: string): Answer {
  let id: unknown = null
  try {
    const fields = parseObject(line)
    id = fields['id'] ?? null
    const refusal = refuse(readQuestion(fields))
    return refusal ? { id, ok: false, ...refusal } : { id, ok: true }
  } catch (error) {
    if (error instanceof BadInput) return { id, ok: false, stage: 'input', error: error.message }
    throw error
  }
}

function refuse(question: Question): { stage: 'parse' | 'verify' | 'hostname'; error: string } | undefined {
  const parsed = parseChain(question.chain)
  if (!parsed.ok) return { stage: 'parse', error: parsed.error }
  const { names, chain: _, ...options } = question
  // Without a name the chain alone is asked about: to verify(), an empty host is none.
  for (const host of names.length > 0 ? names : ['']) {
    const verdict = verify(parsed.chain, { ...options, host })
    if (!verdict.ok) return { stage: verdict.stage, error: verdict.error }
  }
  return undefined
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new BadInput(`[input_json] line: must be JSON, ${(error as Error).message}`, { cause: error })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new BadInput(`[input_object] line: must be a JSON object, got ${shown(value)}`)
}

const USAGES = ['serverAuth', 'clientAuth', 'any'] as const

function readQuestion(fields: Record<string, unknown>): Question {
  const chain = certificates(fields, 'chain')
  if (chain.length === 0) throw new BadInput('[input_chain] chain: must hold a certificate, is empty')
  const { usage = 'serverAuth', names = [] } = fields
  const known = USAGES.find((each) => each === usage)
  if (!known) throw new BadInput(`[input_usage] usage: must be one of ${USAGES.join(', ')}, got ${shown(usage)}`)
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw new BadInput(`[input_names] names: must be a list of host names or IP addresses, got ${shown(names)}`)
  }
  const roots = certPool(certificates(fields, 'roots'))
  return { chain, roots, ...moment(fields['time']), usage: known, names: names as string[] }
}

/** Standard base64 (RFC 4648 section 4): Node's own reader passes over whatever it does not know. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function certificates(fields: Record<string, unknown>, name: 'chain' | 'roots'): Buffer[] {
  const list = fields[name]
  if (!Array.isArray(list))
    throw new BadInput(`[input_${name}] ${name}: must be a list of base64 DER, got ${shown(list)}`)
  return list.map((text: unknown, index) => {
    if (typeof text === 'string' && BASE64.test(text)) return Buffer.from(text, 'base64')
    throw new BadInput(`[input_${name}] ${name}[${index}]: must be base64 DER, got ${shown(text)}`)
  })
}

const RFC_3339 = /^(\d{4}-\d\d-(\d\d))[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))$/

function moment(text: unknown): { time: Date; zoneMinutes: number } {
  const [whole, day = '', dayOfMonth, sign, hours = 0, minutes = 0] = RFC_3339.exec(String(text)) ?? []
  const time = new Date(whole ?? Number.NaN)
  // Date takes 30 February for 2 March.
  if (Number.isNaN(time.getTime()) || new Date(day).getUTCDate() !== Number(dayOfMonth)) {
    throw new BadInput(`[input_time] time: must be RFC 3339, such as 2026-01-01T00:00:00Z, got ${shown(text)}`)
  }
  return { time, zoneMinutes: (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1) }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

// The reader of our answers has gone: nobody is left to answer.
process.stdout.on('error', () => process.exit())
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue
  if (process.stdout.write(`${JSON.stringify(answerLine(line))}\n`)) continue
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
}

/** Log lines as Kubernetes' components write them to stderr (k8s.io/klog/v2: `Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg`). */
import { goQuote } from './go-quote.ts'

export type Severity = 'I' | 'W' | 'E' | 'F'

/** Values after the message, as klog's structured calls print them: `err="…" path="…"`. */
export type LogValues = Readonly<Record<string, string | number | boolean>>

export function klog(severity: Severity, place: string, message: string): void {
  process.stderr.write(`${header(severity, place)}${message}\n`)
}

/** klog.InfoS and ErrorS: the message quoted, then the values. */
export function klogS(severity: Severity, place: string, message: string, values: LogValues = {}): void {
  const pairs = Object.entries(values).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? quoted(value) : value}`,
  )
  process.stderr.write(`${header(severity, place)}${goQuote(message)}${pairs.join('')}\n`)
}

/** Of several lines each stands on one of its own. */
function quoted(value: string): string {
  return value.includes('\n') ? `<\n\t${value.replaceAll('\n', '\n\t')}\n >` : goQuote(value)
}

function header(severity: Severity, place: string): string {
  const now = new Date()
  const two = (number: number): string => String(number).padStart(2, '0')
  const date = `${two(now.getMonth() + 1)}${two(now.getDate())}`
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`
  const micros = String(now.getMilliseconds() * 1000).padStart(6, '0')
  return `${severity}${date} ${time}.${micros} ${String(process.pid).padStart(7)} ${place}] `
}

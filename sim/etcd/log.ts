/** Log lines as etcd 3.6 writes them to stderr: zap's JSON encoder. */
export type Level = 'debug' | 'info' | 'warn' | 'error' | 'panic' | 'fatal'

export type Fields = Readonly<Record<string, unknown>>

const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error', 'panic', 'fatal']

let lowest: Level = 'info'

/** zap knows `dpanic` between error and panic as well; nothing here is logged at it. */
export function isLevel(text: string): text is Level {
  return LEVELS.includes(text as Level) || text === 'dpanic'
}

/** --log-level: what is below is not written. */
export function setLevel(level: Level): void {
  lowest = level
}

export function log(level: Level, msg: string, fields: Fields = {}): void {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(lowest)) return
  const ts = new Date().toISOString().replace('Z', '000Z')
  process.stderr.write(`${JSON.stringify({ level, ts, msg, ...fields })}\n`)
}

/** zap's Fatal: the line, then exit code 1. */
export function fatal(msg: string, fields: Fields = {}): never {
  log('fatal', msg, fields)
  process.exit(1)
}

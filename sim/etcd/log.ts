/** Log lines as etcd 3.6 writes them to stderr: zap's JSON encoder. */
export type Level = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

export type Fields = Readonly<Record<string, unknown>>

export function log(level: Level, msg: string, fields: Fields = {}): void {
  const ts = new Date().toISOString().replace('Z', '000Z')
  process.stderr.write(`${JSON.stringify({ level, ts, msg, ...fields })}\n`)
}

/** zap's Fatal: the line, then exit code 1. */
export function fatal(msg: string, fields: Fields = {}): never {
  log('fatal', msg, fields)
  process.exit(1)
}

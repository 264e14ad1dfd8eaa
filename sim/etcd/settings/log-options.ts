/** The flags of the log, which etcd looks at before all others (server/embed/config_logging.go). */
import type { FlagSet } from '../../../lib/settings/flag-set.ts'
import { Panic } from '../backend/panic.ts'
import { isLevel, setLevel } from '../log.ts'

/** What is wrong, or undefined. @throws Panic for a level that is none. */
export function logProblem(flags: FlagSet): string | undefined {
  const logger = flags.string('logger')
  if (logger === 'capnslog') return '--logger=capnslog is removed in v3.5'
  if (logger !== 'zap') return `unknown logger option ${JSON.stringify(logger)}`
  const outputs = flags.list('log-outputs')
  if (outputs.length > 1 && outputs.includes('default')) return 'multi logoutput for "default" is not supported yet'
  const level = flags.string('log-level')
  if (!isLevel(level)) throw new Panic(`unrecognized level: ${JSON.stringify(level)}`)
  setLevel(level)
  const format = flags.string('log-format')
  if (format !== 'json' && format !== 'console') return `unknown log format: ${format}, supported values json, console`
  return undefined
}

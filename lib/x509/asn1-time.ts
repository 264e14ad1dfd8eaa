import { type DerReader, GENERALIZED_TIME, UTC_TIME } from './der.ts'
import { refuse } from './errors.ts'

export interface Asn1Time {
  date: Date
  /** RFC 3339 in the zone it was written in, as Go prints it. */
  text: string
}

/** Seconds may be missing: Go accepts that though X.509 does not. */
const UTC = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})$/
const GENERALIZED = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(Z|[+-]\d{4})$/

/** A Time as crypto/x509's parseTime reads it (cryptobyte.ReadASN1UTCTime and ReadASN1GeneralizedTime). */
export function readTime(reader: DerReader): Asn1Time {
  if (reader.peek(UTC_TIME)) {
    const fields = UTC.exec(reader.read(UTC_TIME)?.rest.toString('latin1') ?? '')
    const shortYear = Number(fields?.[1])
    return time(fields, shortYear + (shortYear >= 50 ? 1900 : 2000)) ?? refuse('x509: malformed UTCTime')
  }
  if (reader.peek(GENERALIZED_TIME)) {
    const fields = GENERALIZED.exec(reader.read(GENERALIZED_TIME)?.rest.toString('latin1') ?? '')
    return time(fields, Number(fields?.[1])) ?? refuse('x509: malformed GeneralizedTime')
  }
  return refuse('x509: unsupported time format')
}

function time(fields: RegExpExecArray | null, year: number): Asn1Time | undefined {
  if (fields === null) return undefined
  const [month, day, hour, minute, second] = fields.slice(2, 7).map((field) => Number(field ?? 0))
  const offsetMinutes = zoneOffset(fields[7] ?? '')
  if (month === undefined || day === undefined || hour === undefined || minute === undefined) return undefined
  if (second === undefined || offsetMinutes === undefined || hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second)
  date.setTime(date.getTime() - offsetMinutes * 60_000)
  return { date, text: rfc3339(date, offsetMinutes) }
}

/** Minutes east of Greenwich. Go takes offsets up to 24 hours, and refuses the spellings it would not write itself. */
function zoneOffset(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3))
  const offset = hours * 60 + minutes
  if (hours > 24 || minutes > 59 || offset === 0) return undefined
  return zone.startsWith('-') ? -offset : offset
}

/** Go's Format(time.RFC3339), to the second. */
export function rfc3339(date: Date, offsetMinutes = 0): string {
  const local = new Date(date.getTime() + offsetMinutes * 60_000)
  const day = `${String(local.getUTCFullYear()).padStart(4, '0')}-${two(local.getUTCMonth() + 1)}-${two(local.getUTCDate())}`
  const clock = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`
  const distance = Math.abs(offsetMinutes)
  const zone = `${offsetMinutes < 0 ? '-' : '+'}${two(Math.trunc(distance / 60))}:${two(distance % 60)}`
  return `${day}T${clock}${offsetMinutes === 0 ? 'Z' : zone}`
}

const two = (value: number): string => String(value).padStart(2, '0')

/** Writes DER (X.690 section 10): what a certificate is put together from. */
import { BOOLEAN, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, UTC_TIME } from './der.ts'
import { parseIp } from './ip.ts'

/** From here on UTCTime's two digits of the year do not do (RFC 5280 section 4.1.2.5). */
const UTC_TIME_UNTIL = 2050

/** Short, or long form with as few octets as it takes (X.690 section 10.1). */
export function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const digits = content.length.toString(16)
  const length = hex(digits.length % 2 === 0 ? digits : `0${digits}`)
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

export const TRUE = element(BOOLEAN, hex('ff'))

/** `oid` as the hex of its content octets. */
export function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const id = element(OBJECT_IDENTIFIER, hex(oid))
  return element(SEQUENCE, id, ...(critical ? [TRUE] : []), element(OCTET_STRING, value))
}

/** UTCTime, or GeneralizedTime from 2050 on. */
export function time(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/\D/g, '')
  if (date.getUTCFullYear() >= UTC_TIME_UNTIL) return element(GENERALIZED_TIME, Buffer.from(`${digits}Z`))
  return element(UTC_TIME, Buffer.from(`${digits.slice(2)}Z`))
}

export function addressBytes(address: string): Buffer {
  const bytes = parseIp(address)
  if (!bytes) throw new Error(`[certificate_address] ${address}: must be an IP address`)
  return Buffer.from(bytes)
}

export function certificatePem(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

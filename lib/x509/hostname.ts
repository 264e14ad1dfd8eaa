import { type Certificate, subjectAltNameExtension } from './certificate.ts'
import { parseIp, sameIp } from './ip.ts'

/** Go's maxNamesIncluded: longer lists of names are only counted. */
const NAMES_PRINTED_BELOW = 100

/**
 * Whether the certificate is good for a host, by Go's Certificate.VerifyHostname: the text of its HostnameError, or `undefined`.
 * IP addresses (also in brackets) look at IP SANs only; the common name counts for nothing.
 */
export function hostnameProblem(certificate: Certificate, host: string): string | undefined {
  const bare = /^\[(.+)\]$/s.exec(host)?.[1] ?? host
  const ip = parseIp(bare)
  if (ip) return certificate.rawIpAddresses.some((san) => sameIp(san, ip)) ? undefined : mismatch(certificate, bare)
  const name = lowerCase(host)
  const labels = splitHost(name)
  const wellFormed = isHostname(name, false)
  const matches = (pattern: string): boolean =>
    wellFormed && isHostname(pattern, true) ? matchesLabels(pattern, labels) : matchesExactly(pattern, name)
  return certificate.dnsNames.some(matches) ? undefined : mismatch(certificate, host)
}

function mismatch(certificate: Certificate, host: string): string {
  const hasNames = subjectAltNameExtension(certificate) !== undefined
  if (!hasNames && matchesLabels(certificate.subject.commonName, splitHost(host))) {
    return 'x509: certificate relies on legacy Common Name field, use SANs instead'
  }
  const isIp = parseIp(host) !== undefined
  const names = isIp ? certificate.ipAddresses : certificate.dnsNames
  if (isIp && names.length === 0) {
    return `x509: cannot validate certificate for ${host} because it doesn't contain any IP SANs`
  }
  if (names.length >= NAMES_PRINTED_BELOW) {
    return `x509: certificate is valid for ${names.length} ${isIp ? 'IP SANs' : 'names'}, but none matched ${host}`
  }
  const list = names.join(', ')
  if (list === '') return `x509: certificate is not valid for any names, but wanted to match ${host}`
  return `x509: certificate is valid for ${list}, not ${host}`
}

const lowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

const splitHost = (host: string): string[] => lowerCase(host.replace(/\.$/, '')).split('.')

/** RFC 6125 with Go's leniency: underscores pass, a pattern may have `*` as its whole first label. */
function isHostname(host: string, pattern: boolean): boolean {
  const name = pattern ? host : host.replace(/\.$/, '')
  if (name === '*') return false
  const labels = name.split('.')
  return labels.every((label, i) => (pattern && i === 0 && label === '*') || /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(label))
}

function matchesLabels(pattern: string, labels: readonly string[]): boolean {
  if (pattern === '') return false
  const wanted = lowerCase(pattern).split('.')
  return (
    wanted.length === labels.length && wanted.every((label, i) => (i === 0 && label === '*') || label === labels[i])
  )
}

function matchesExactly(a: string, b: string): boolean {
  return ![a, b].some((name) => name === '' || name === '.') && lowerCase(a) === lowerCase(b)
}

/**
 * A proxy in front of the server that says who its caller is: trusted only with a certificate of the request-header CA and
 * an allowed name. apiserver/pkg/authentication/request/headerrequest/requestheader.go.
 */
import type { User } from '../../../lib/kube/user.ts'
import { parsePeerChain, refuseClientChain } from './client-certificate.ts'
import type { CaBundle, CertificateAnswer } from './client-certificate.ts'
import { firstHeader, headerValues } from './request-headers.ts'
import type { HeaderPair } from './request-headers.ts'

/** --requestheader-*; an empty allowedNames means any name that the CA signed. */
export interface FrontProxySettings {
  ca: CaBundle
  allowedNames: readonly string[]
  usernameHeaders: readonly string[]
  uidHeaders: readonly string[]
  groupHeaders: readonly string[]
  extraHeaderPrefixes: readonly string[]
}

export function userOfFrontProxy(
  peerChain: readonly Buffer[],
  headers: readonly HeaderPair[],
  settings: FrontProxySettings,
  now: Date,
): CertificateAnswer {
  const roots = settings.ca.pool()
  if (peerChain.length === 0 || !roots) return undefined
  const chain = parsePeerChain(peerChain)
  if ('error' in chain) return chain
  const refused = refuseClientChain(chain, roots, now)
  if (refused !== undefined) return { error: refused }
  const name = chain[0]?.subject.commonName ?? ''
  if (settings.allowedNames.length > 0 && !settings.allowedNames.includes(name)) {
    return { error: `x509: subject with cn=${name} is not in the allowed list` }
  }
  return userOfHeaders(headers, settings)
}

function userOfHeaders(headers: readonly HeaderPair[], settings: FrontProxySettings): { user: User } | undefined {
  const username = firstOf(headers, settings.usernameHeaders)
  if (username === '') return undefined
  const groups = settings.groupHeaders.flatMap((name) => headerValues(headers, name)).filter((group) => group !== '')
  const user: User = { username, groups }
  const uid = firstOf(headers, settings.uidHeaders)
  if (uid !== '') user.uid = uid
  const extra = extraOf(headers, settings.extraHeaderPrefixes)
  if (Object.keys(extra).length > 0) user.extra = extra
  return { user }
}

function firstOf(headers: readonly HeaderPair[], names: readonly string[]): string {
  return names.map((name) => firstHeader(headers, name)).find((value) => value !== '') ?? ''
}

/** The extra of every header that begins with a prefix; the rest of its name, lower case and unescaped, is the key. */
export function extraOf(headers: readonly HeaderPair[], prefixes: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = {}
  for (const prefix of prefixes.map((each) => each.toLowerCase())) {
    for (const [name, value] of headers) {
      const lower = name.toLowerCase()
      if (!lower.startsWith(prefix)) continue
      const key = unescapeKey(lower.slice(prefix.length))
      extra[key] = [...(extra[key] ?? []), value]
    }
  }
  return extra
}

function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

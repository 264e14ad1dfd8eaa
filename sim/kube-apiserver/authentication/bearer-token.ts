/**
 * Where a request may carry a bearer token: the Authorization header, or a WebSocket's subprotocol list for browsers, which
 * cannot set headers. apiserver/pkg/authentication/request/bearertoken, .../websocket.
 */
import { firstHeader, headerValues } from './request-headers.ts'
import type { HeaderPair } from './request-headers.ts'

const TOKEN_PROTOCOL = 'base64url.bearer.authorization.k8s.io.'

/** The token of the first Authorization header, where it is a bearer's. One space divides; text after the token is ignored. */
export function bearerToken(headers: readonly HeaderPair[]): string | undefined {
  const [scheme, token] = firstHeader(headers, 'Authorization').trim().split(' ')
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined
}

/** The token in Sec-WebSocket-Protocol of an upgrade; an error where it is not alone or nothing else is offered. */
export function websocketToken(headers: readonly HeaderPair[]): { token: string } | { error: string } | undefined {
  if (!isWebSocketUpgrade(headers)) return undefined
  const offered = headerValues(headers, 'Sec-WebSocket-Protocol').flatMap((value) =>
    value.split(',').map((each) => each.trim()),
  )
  const tokens = offered.filter((each) => each.startsWith(TOKEN_PROTOCOL))
  if (tokens.length === 0) return undefined
  if (tokens.length > 1) return { error: 'multiple base64.bearer.authorization tokens specified' }
  if (offered.length === 1) return { error: 'missing additional subprotocol' }
  const encoded = (tokens[0] ?? '').slice(TOKEN_PROTOCOL.length)
  const bytes = Buffer.from(encoded, 'base64url')
  if (bytes.toString('base64url') !== encoded) return { error: 'invalid base64.bearer.authorization token encoding' }
  return { token: bytes.toString() }
}

/** The subprotocols to pass on: the token must not travel any further. */
export function withoutTokenProtocol(value: string): string {
  const protocols = value.split(',').map((each) => each.trim())
  return protocols.filter((each) => !each.startsWith(TOKEN_PROTOCOL)).join(',')
}

export function isWebSocketUpgrade(headers: readonly HeaderPair[]): boolean {
  if (firstHeader(headers, 'Upgrade').toLowerCase() !== 'websocket') return false
  return /(^|.*,\s*)upgrade($|\s*,)/i.test(firstHeader(headers, 'Connection'))
}

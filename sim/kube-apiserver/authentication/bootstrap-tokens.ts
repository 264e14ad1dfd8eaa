/**
 * Tokens that a joining node shows first, `<id>.<secret>` of a Secret in kube-system:
 * plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go. Nothing wrong with one is ever said: it is just no token.
 */
import { timingSafeEqual } from 'node:crypto'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { User } from '../../../lib/kube/user.ts'
import type { ObjectCache } from '../contract.ts'

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/
/** RFC 3339, as Go's time.Parse(time.RFC3339) takes it. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

export function userOfBootstrapToken(objects: ObjectCache, token: string, now: Date): User | undefined {
  const [, id, secretPart] = TOKEN.exec(token) ?? []
  if (id === undefined || secretPart === undefined) return undefined
  const secret = objects.get('secrets', 'kube-system', `bootstrap-token-${id}`)
  if (!secret || secret.metadata.deletionTimestamp || secret['type'] !== 'bootstrap.kubernetes.io/token')
    return undefined
  if (!equal(field(secret, 'token-secret'), secretPart) || field(secret, 'token-id') !== id) return undefined
  if (isExpired(field(secret, 'expiration'), now)) return undefined
  if (field(secret, 'usage-bootstrap-authentication') !== 'true') return undefined
  const groups = extraGroups(field(secret, 'auth-extra-groups'))
  return groups && { username: `system:bootstrap:${id}`, groups }
}

function field(secret: KubeObject, key: string): string {
  const value = (secret['data'] as Record<string, string> | undefined)?.[key]
  return value === undefined ? '' : Buffer.from(value, 'base64').toString()
}

function isExpired(expiration: string, now: Date): boolean {
  if (expiration === '') return false
  return !INSTANT.test(expiration) || Date.parse(expiration) <= now.getTime()
}

/** Undefined where one of the groups may not be given by a token. */
function extraGroups(text: string): string[] | undefined {
  const groups = text === '' ? [] : text.split(',').map((group) => group.trim())
  if (!groups.every((group) => GROUP.test(group))) return undefined
  return [...new Set(['system:bootstrappers', ...groups])].toSorted()
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

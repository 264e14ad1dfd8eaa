/** Tokens that carry their user and a signature: any member knows them, after a restart too (server/auth/jwt.go). */
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import type { Fields, Level } from '../log.ts'
import type { AuthInfo } from './auth-info.ts'
import { JWT_METHODS, jwtSignature, jwtSignatureProblem, type JwtKey, type JwtMethod } from './jwt-method.ts'
import type { TokenProvider } from './token-provider.ts'

export interface JwtOptions {
  method: JwtMethod
  key: JwtKey
  ttlMs: number
  log: (level: Level, msg: string, fields?: Fields) => void
  nowMs?: () => number
}

interface Claims {
  username?: unknown
  revision?: unknown
  exp?: unknown
  nbf?: unknown
  iat?: unknown
}

export class JwtTokens implements TokenProvider {
  readonly #options: Required<JwtOptions>

  constructor(options: JwtOptions) {
    this.#options = { nowMs: Date.now, ...options }
  }

  newPrefix(): string {
    return ''
  }

  assign(username: string, _prefix: string, _index: bigint, revision: bigint): string {
    const { method, key, ttlMs, nowMs } = this.#options
    // In the order of Go's maps in JSON.
    const claims = { exp: Math.floor((nowMs() + ttlMs) / 1000), revision: Number(revision), username }
    const content = `${encoded({ alg: method.name, typ: 'JWT' })}.${encoded(claims)}`
    try {
      return `${content}.${jwtSignature(method, key, content).toString('base64url')}`
    } catch (error) {
      throw new GrpcError('Unknown', (error as Error).message, { cause: error })
    }
  }

  async infoOf(token: string): Promise<AuthInfo | undefined> {
    const { log } = this.#options
    let claims: Claims
    try {
      claims = this.#claimsOf(token)
    } catch (error) {
      log('warn', 'failed to parse a JWT token', { error: (error as Error).message })
      return undefined
    }
    const { username, revision } = claims
    if (typeof username === 'string' && typeof revision === 'number')
      return { username, revision: BigInt(Math.trunc(revision)) }
    log('warn', `failed to obtain ${typeof username === 'string' ? 'revision' : 'user'} claims from jwt token`)
    return undefined
  }

  /** A change of users or roles makes every token old by its revision: nothing is kept of them here. */
  enabled(): void {}

  disabled(): void {}

  userInvalidated(): void {}

  /** @throws Error in golang-jwt's words. */
  #claimsOf(token: string): Claims {
    const { method, key, nowMs } = this.#options
    const [header = '', payload = '', signature = '', ...more] = token.split('.')
    if (signature === '' || more.length > 0 || token.split('.').length !== 3)
      throw new Error('token is malformed: token contains an invalid number of segments')
    const { alg } = decoded<{ alg?: unknown }>(header, 'header')
    const claims = decoded<Claims>(payload, 'claim')
    if (typeof alg !== 'string' || !JWT_METHODS.has(alg))
      throw new Error(
        `token is unverifiable: signing method (alg) is ${alg === undefined ? 'unspecified' : 'unavailable'}`,
      )
    if (alg !== method.name)
      throw new Error('token is unverifiable: error while executing keyfunc: invalid signing method')
    const bytes = Buffer.from(signature, 'base64url')
    const problem = jwtSignatureProblem(method, key, `${header}.${payload}`, bytes)
    if (problem !== undefined) throw new Error(`token signature is invalid: ${problem}`)
    const nowSeconds = nowMs() / 1000
    const { exp, nbf, iat } = claims
    if (exp !== undefined && !(Number(exp) > nowSeconds)) throw new Error('token has invalid claims: token is expired')
    if (nbf !== undefined && !(Number(nbf) <= nowSeconds))
      throw new Error('token has invalid claims: token is not valid yet')
    if (iat !== undefined && typeof iat !== 'number')
      throw new Error('token has invalid claims: iat is invalid: token claims are invalid')
    return claims
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decoded<T>(segment: string, what: string): T {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString('utf8')) as T
  } catch (error) {
    throw new Error(`token is malformed: could not JSON decode ${what}: ${(error as Error).message}`, { cause: error })
  }
}

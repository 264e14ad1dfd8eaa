/** `--auth-token`, `--auth-token-ttl`: who gives out tokens (server/auth/store.go NewTokenProvider, server/auth/options.go). */
import { readFileSync } from 'node:fs'
import { parseDurationMs } from '../../../lib/settings/duration.ts'
import { JWT_METHODS, jwtKeyOf } from '../auth/jwt-method.ts'
import { JwtTokens } from '../auth/jwt-tokens.ts'
import { SimpleTokens } from '../auth/simple-tokens.ts'
import { NoTokens, type TokenProvider } from '../auth/token-provider.ts'
import { fatal, log } from '../log.ts'

const INVALID = 'auth: invalid auth options'
const KNOWN = new Set(['sign-method', 'pub-key', 'priv-key', 'ttl'])
const JWT_TTL = '5m'

/** Ends the process where etcd would. */
export function tokenProviderOf(text: string, simpleTtlMs: number): TokenProvider {
  try {
    const [type = '', ...words] = text.split(',')
    const options = optionsOf(text, words)
    if (type === 'jwt') return jwtOf(options)
    if (type === '') return new NoTokens()
    if (type === 'simple') {
      log('warn', 'simple token is not cryptographically signed')
      return new SimpleTokens(simpleTtlMs)
    }
    log('warn', 'unknown token type', { type, error: INVALID })
    throw new Error(INVALID)
  } catch (error) {
    const { message } = error as Error
    log('warn', 'failed to create token provider', { error: message })
    fatal('discovery failed', { error: message })
  }
}

/** @throws Error */
function optionsOf(text: string, words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (const word of words) {
    const [name = '', value = '', ...more] = word.split('=')
    if (!word.includes('=') || more.length > 0 || options.has(name)) {
      log('error', 'invalid token option', {
        option: text,
        ...(options.has(name) ? { 'duplicate-parameter': name } : {}),
      })
      throw new Error(INVALID)
    }
    options.set(name, value)
  }
  return options
}

/** @throws Error */
function jwtOf(options: ReadonlyMap<string, string>): JwtTokens {
  const loaded = loadedOf(options)
  const unknown = [...options.keys()].filter((name) => !KNOWN.has(name))
  if (unknown.length > 0) log('warn', 'unknown JWT options', { keys: unknown })
  const { method, ttlMs, ...pem } = loaded
  return new JwtTokens({ method, key: jwtKeyOf(method, pem), ttlMs, log })
}

/** @throws Error */
function loadedOf(options: ReadonlyMap<string, string>) {
  const file = (name: string): Buffer => {
    const path = options.get(name) ?? ''
    return path === '' ? Buffer.alloc(0) : readFileSync(path)
  }
  try {
    const ttlMs = parseDurationMs(options.get('ttl') || JWT_TTL)
    const [publicKey, privateKey] = [file('pub-key'), file('priv-key')]
    const method = JWT_METHODS.get(options.get('sign-method') ?? '')
    if (!method) throw new Error('auth: invalid auth signature method')
    return { ttlMs, publicKey, privateKey, method }
  } catch (error) {
    log('error', 'problem loading JWT options', { error: goText(error as NodeJS.ErrnoException) })
    throw new Error(INVALID, { cause: error })
  }
}

function goText({ code, path, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return `open ${path}: no such file or directory`
  return code === 'EACCES' ? `open ${path}: permission denied` : message
}

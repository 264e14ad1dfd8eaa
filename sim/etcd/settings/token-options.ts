/** `--auth-token` (server/auth/store.go, NewTokenProvider): simple tokens are all that a simulated member gives out. */
import { fatal, log } from '../log.ts'

const INVALID = 'auth: invalid auth options'

/** Ends the process where etcd would, or where a member could not keep the promise. */
export function requireSimpleTokens(text: string): void {
  const [type = '', ...options] = text.split(',')
  const names = options.map((option) => option.split('=')[0])
  const isBroken = options.some((option) => option.split('=').length !== 2) || new Set(names).size < names.length
  if (isBroken) {
    log('error', 'invalid token option', { option: text })
    refuse(INVALID)
  }
  if (type === 'simple') return log('warn', 'simple token is not cryptographically signed')
  if (type === '') return
  if (type !== 'jwt') {
    log('warn', 'unknown token type', { type, error: INVALID })
    refuse(INVALID)
  }
  if (!names.includes('sign-method')) {
    log('error', 'problem loading JWT options', { error: 'auth: invalid auth signature method' })
    refuse(INVALID)
  }
  fatal('discovery failed', {
    error: '[auth_token] --auth-token: the simulation signs no tokens, jwt was asked for (leave it at simple)',
  })
}

function refuse(error: string): never {
  log('warn', 'failed to create token provider', { error })
  fatal('discovery failed', { error })
}

/** Who gives out tokens and knows them again: `--auth-token` chooses (server/auth/store.go, TokenProvider). */
import { ERRORS } from '../errors.ts'
import type { AuthInfo } from './auth-info.ts'
import type { TokenListener } from './auth-store.ts'

/** What a token is judged by besides itself. */
export interface TokenCircumstances {
  /** Resolves once the member has applied the log that far. */
  applied: (index: bigint) => Promise<void>
  /** Of users and roles, now. */
  revision: () => bigint
}

export interface TokenProvider extends TokenListener {
  /** What of a token is chosen before it is proposed. @throws GrpcError */
  newPrefix(): string
  /** `index` is the entry's in the log, `revision` that of users and roles. @throws GrpcError */
  assign(username: string, prefix: string, index: bigint, revision: bigint): string
  /** Undefined for a token that is none, or none any more. */
  infoOf(token: string, circumstances: TokenCircumstances): Promise<AuthInfo | undefined>
}

/** `--auth-token=`: nobody gets one. */
export class NoTokens implements TokenProvider {
  newPrefix(): string {
    throw ERRORS.invalidAuthToken()
  }

  assign(): string {
    throw ERRORS.invalidAuthToken()
  }

  async infoOf(): Promise<undefined> {
    return undefined
  }

  enabled(): void {}

  disabled(): void {}

  userInvalidated(): void {}
}

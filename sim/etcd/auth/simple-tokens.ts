/** Tokens that only this member's memory makes valid (server/auth/simple_token.go). */
import { randomInt } from 'node:crypto'
import type { AuthInfo } from './auth-info.ts'
import type { TokenCircumstances, TokenProvider } from './token-provider.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const PREFIX_LETTERS = 16

interface Token {
  username: string
  endsAtMs: number
}

export class SimpleTokens implements TokenProvider {
  readonly #ttlMs: number
  readonly #now: () => number
  readonly #tokens = new Map<string, Token>()
  #enabled = false

  constructor(ttlMs: number, now: () => number = Date.now) {
    this.#ttlMs = ttlMs
    this.#now = now
  }

  /** The part of a token that is chosen before it is proposed; the rest is the index of its entry in the log. */
  newPrefix(): string {
    return Array.from({ length: PREFIX_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  }

  assign(username: string, prefix: string, index: bigint): string {
    const token = `${prefix}.${index}`
    if (this.#enabled) this.#tokens.set(token, { username, endsAtMs: this.#now() + this.#ttlMs })
    return token
  }

  async infoOf(token: string, { applied, revision }: TokenCircumstances): Promise<AuthInfo | undefined> {
    const index = tokenIndex(token)
    if (index === undefined) return undefined
    await applied(index)
    const username = this.userOf(token)
    return username === undefined ? undefined : { username, revision: revision() }
  }

  /** Whose it is; using it makes it last longer. */
  userOf(token: string): string | undefined {
    const known = this.#tokens.get(token)
    if (!known) return undefined
    if (known.endsAtMs <= this.#now()) {
      this.#tokens.delete(token)
      return undefined
    }
    known.endsAtMs = this.#now() + this.#ttlMs
    return known.username
  }

  enabled(): void {
    this.#enabled = true
  }

  disabled(): void {
    this.#enabled = false
    this.#tokens.clear()
  }

  userInvalidated(name: string): void {
    for (const [token, { username }] of this.#tokens) if (username === name) this.#tokens.delete(token)
  }
}

/** The index of the log that a token waits for, or undefined for one that is no token. */
function tokenIndex(token: string): bigint | undefined {
  const [, index] = /^[^.]*\.(\d+)$/.exec(token) ?? []
  return index === undefined ? undefined : BigInt(index)
}

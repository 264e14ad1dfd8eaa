/** An error of the network's own making, never of what passes over it. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: string

  constructor(code: string, message: string) {
    super(`[${code}] ${message}`)
    this.code = code
  }
}

/** The `code` of a system error, or of one of ours. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

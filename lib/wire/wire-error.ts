/** An error of the network's own making, never of what passes over it. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: string

  constructor(code: string, message: string) {
    super(`[${code}] ${message}`)
    this.code = code
  }
}

/** The `code` of a system error, or the bracketed word that an error of this project begins with. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return /^\[(\w+)\]/.exec(error.message)?.[1]
}

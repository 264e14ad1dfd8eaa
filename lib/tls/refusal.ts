/** The one door by which foreign errors (Node, OpenSSL, the system) enter and leave as our own words. */
import type { Layer } from './layer.ts'

/** A connection or handshake that somebody refused, or that failed without anybody's word (`layer` undefined). */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  constructor(
    /** Undefined where nobody's word is known: a reset, a hang, a crash. Such a refusal is never evidence. */
    readonly layer: Layer | undefined,
    /** `ECONNREFUSED`, an alert's name such as `unknown_ca`, or a verification word such as `unknown_authority`. */
    readonly code: string,
    message: string,
    readonly details: { alert?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause })
  }
}

/** A capture file that cannot be read. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError'
  readonly code = 'capture_malformed'

  constructor(rule: string) {
    super(`[capture_malformed] capture: ${rule}`)
  }
}

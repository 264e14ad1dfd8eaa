/**
 * A process of a range ends with the range: it holds the read end of a pipe whose other end only the range holds, so
 * the kernel tells it even when the range was killed with -9.
 */
import { Socket } from 'node:net'

/** Ends this process when the descriptor that MTLS_RANGE_LIFELINE_FD names closes. Without one it does nothing. */
export function followLifeline(onEnd: () => void = () => process.exit(0)): void {
  const descriptor = Number(process.env['MTLS_RANGE_LIFELINE_FD'] ?? Number.NaN)
  if (!Number.isInteger(descriptor)) return
  const lifeline = new Socket({ fd: descriptor, readable: true, writable: false })
  lifeline.on('error', onEnd)
  lifeline.on('close', onEnd)
  lifeline.resume()
  lifeline.unref()
}

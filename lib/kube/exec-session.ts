/** What a container's streams are over any protocol: apimachinery/pkg/util/remotecommand, cri-streaming's remotecommand. */

/** WebSocket knows v5, v4, v1 and their base64 kinds ('' is a client that named none, and means v1); SPDY v4 to v1. */
export type ExecProtocol =
  | 'v5.channel.k8s.io'
  | 'v4.channel.k8s.io'
  | 'v3.channel.k8s.io'
  | 'v2.channel.k8s.io'
  | 'v4.base64.channel.k8s.io'
  | 'channel.k8s.io'
  | 'base64.channel.k8s.io'
  | ''

/** metav1.Status as a container's end has it. */
export interface ExecStatus {
  metadata?: object
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: { causes?: { reason?: string; message?: string }[] }
  code?: number
}

export interface TerminalSize {
  rows: number
  columns: number
}

export interface ExecSession {
  readonly protocol: ExecProtocol
  /** What the client types, until it says that it is over (v5, SPDY) or leaves. */
  readonly stdin: AsyncIterable<Buffer>
  write(stream: 'stdout' | 'stderr', bytes: Buffer): void
  /** The client's terminal has this size, now and whenever it changes. */
  onResize(listener: (size: TerminalSize) => void): void
  /** Sends the Status and closes. */
  end(status: ExecStatus): void
  /** Aborted once the client is gone. */
  readonly signal: AbortSignal
}

/** What a container writes at once comes in pieces of this size at most. */
export const PIECE = 32 * 1024

/** v4 and later end with the Status; before there is only an error's text. Undefined: nothing is said. */
export function endText(protocol: ExecProtocol, status: ExecStatus): string | undefined {
  if (/^v[45]/.test(protocol)) return JSON.stringify(status).replace(/[<>&]/g, escaped)
  return status.status === 'Failure' ? (status.message ?? '') : undefined
}

/** As Go's encoder writes them. */
function escaped(char: string): string {
  return `\\u00${char.charCodeAt(0).toString(16)}`
}

/** The other side's reading of it. */
export function parseExecStatus(text: string): ExecStatus {
  try {
    return JSON.parse(text) as ExecStatus
  } catch {
    return { status: 'Failure', message: text }
  }
}

/** The sizes in a text of JSON objects; what is no size is passed over, as Go's decoder ends at it. */
export class SizeReader {
  #text = ''
  #last: TerminalSize | undefined
  #listener: ((size: TerminalSize) => void) | undefined

  push(bytes: Buffer): void {
    this.#text += bytes.toString('utf8')
    for (let end = this.#text.indexOf('}'); end !== -1; end = this.#text.indexOf('}')) {
      const size = sizeOf(this.#text.slice(0, end + 1))
      this.#text = this.#text.slice(end + 1)
      if (!size) continue
      this.#last = size
      this.#listener?.(size)
    }
    if (this.#text.length > MOST_TEXT) this.#text = ''
  }

  listen(listener: (size: TerminalSize) => void): void {
    this.#listener = listener
    if (this.#last) listener(this.#last)
  }
}

const MOST_TEXT = 1024

function sizeOf(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown }
    const isSize = Number.isInteger(Width) && Number.isInteger(Height)
    return isSize ? { columns: Number(Width), rows: Number(Height) } : undefined
  } catch {
    return undefined
  }
}

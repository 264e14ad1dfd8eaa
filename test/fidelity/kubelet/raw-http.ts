/** HTTP/1.1 by hand, so that any method, any path and any bytes can be sent as they were recorded. */
import type { Socket } from 'node:net'

export interface RawAnswer {
  status: number
  /** By lower-case name. */
  headers: Map<string, string>
  body: string
}

const DEADLINE_MS = 10_000

/** Sends bytes and answers all that comes back until the other end closes. */
export function converse(socket: Socket, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end within ${DEADLINE_MS} ms of: ${bytes.slice(0, 80)}\n${said}`))
    }, DEADLINE_MS)
    socket.setEncoding('latin1').on('data', (text: string) => (said += text))
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(said)
    })
    socket.once('end', () => socket.end())
    socket.write(bytes, 'latin1')
  })
}

export function requestText(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): string {
  const all = { Host: 'worker-1', Connection: 'close', 'User-Agent': 'recorder', Accept: '*/*', ...headers }
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const lines = [...Object.entries(all).map(([name, value]) => `${name}: ${value}`), ...length]
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** The first answer in a text. */
export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n')
  const headers = new Map(
    lines.map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
  const rest = text.slice(end + 4)
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunked(rest) : rest
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body: Buffer.from(body, 'latin1').toString('utf8') }
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, end), 16)
    if (!(length > 0)) return body
    body += text.slice(end + 2, end + 2 + length)
    at = end + 2 + length + 2
  }
}

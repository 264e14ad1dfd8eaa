/**
 * What a simulated container answers on a port that its spec declares and no program of it serves: an HTTP server that says who it
 * is and repeats the request, or, to a client that speaks no HTTP, an echo.
 */
import type { Accepted, PortServer } from './pod-network.ts'

const REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/1\.[01]\r?\n/
const HEAD_END = /\r?\n\r?\n/
const MOST_HEAD = 64 * 1024

export function declaredPort(hostname: string, container: string): PortServer {
  return (connection) => void serve(connection, `Hostname: ${hostname}\nContainer: ${container}\n\n`)
}

async function serve(connection: Accepted, heading: string): Promise<void> {
  const { input } = connection
  const write = (bytes: Buffer): void => connection.write(bytes)
  let seen = ''
  for await (const bytes of input) {
    seen += bytes.toString('latin1')
    // a first line that has not come yet may still be a request's
    if (!REQUEST_LINE.test(seen) && (seen.includes('\n') || !/^[A-Z]*( |$)/.test(seen) || seen.length > MOST_HEAD)) {
      write(Buffer.from(seen, 'latin1'))
      seen = ''
      for await (const rest of input) write(rest)
      break
    }
    for (let length = wholeRequest(seen); length !== undefined; length = wholeRequest(seen)) {
      const asked = seen.slice(0, length)
      seen = seen.slice(length)
      const answer = heading + asked
      const body = asked.startsWith('HEAD ') ? '' : answer
      const keepAlive = /^[A-Z]+ \S+ HTTP\/1\.1/.test(asked) && !/^connection: *close/im.test(asked)
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${answer.length}\r\n`
      write(Buffer.from(`${head}${keepAlive ? '' : 'Connection: close\r\n'}\r\n${body}`, 'latin1'))
      if (!keepAlive) return connection.end()
    }
  }
  if (seen !== '') write(Buffer.from(seen, 'latin1'))
  connection.end()
}

/** The length of the request that a text starts with, body included; undefined where it has not come whole. */
function wholeRequest(text: string): number | undefined {
  if (!REQUEST_LINE.test(text)) return undefined
  const found = HEAD_END.exec(text)
  if (!found) return undefined
  const head = text.slice(0, found.index)
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  const end = found.index + found[0].length + length
  return text.length >= end ? end : undefined
}

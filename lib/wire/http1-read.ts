/** HTTP/1.1 messages (RFC 9112) in recorded streams. It reads what is there and never refuses. */

export interface HttpMessage {
  /** Request or status line. */
  startLine: string
  /** Lower-case names; a repeated field is joined with `, `. */
  headers: Map<string, string>
  /** Without chunk borders, as far as it was recorded; still in its content encoding. */
  body: Buffer
}

export interface HttpConversation {
  requests: HttpMessage[]
  responses: HttpMessage[]
  /** What followed a 101, each way. */
  upgraded?: { protocol: string; toCallee: Buffer; toCaller: Buffer }
}

const REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/1\.[01]$/
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})/

/** Undefined where neither direction begins with a message. */
export function readHttp1(toCallee: Buffer, toCaller: Buffer): HttpConversation | undefined {
  const asked = readRequests(toCallee, Number.POSITIVE_INFINITY)
  const answered = readResponses(
    toCaller,
    asked.messages.map(({ startLine }) => startLine.split(' ', 1)[0] ?? ''),
  )
  if (asked.messages.length === 0 && answered.messages.length === 0) return undefined
  if (answered.upgrade === undefined) return { requests: asked.messages, responses: answered.messages }
  // Behind the request that was upgraded no further request can be.
  const { messages, rest } = readRequests(toCallee, answered.upgrade.index + 1)
  const upgraded = { protocol: answered.upgrade.protocol, toCallee: rest, toCaller: answered.rest }
  return { requests: messages, responses: answered.messages, upgraded }
}

function readRequests(stream: Buffer, limit: number): { messages: HttpMessage[]; rest: Buffer } {
  const messages: HttpMessage[] = []
  let rest = stream
  while (messages.length < limit) {
    const head = readHead(rest, REQUEST_LINE)
    if (head === undefined) break
    const { body, after } = readBody(head.after, head.headers, 0)
    messages.push({ startLine: head.startLine, headers: head.headers, body })
    rest = after
  }
  return { messages, rest }
}

interface Responses {
  messages: HttpMessage[]
  rest: Buffer
  upgrade?: { index: number; protocol: string }
}

function readResponses(stream: Buffer, methods: readonly string[]): Responses {
  const messages: HttpMessage[] = []
  let rest = stream
  for (let index = 0; ;) {
    const head = readHead(rest, STATUS_LINE)
    if (head === undefined) return { messages, rest }
    const status = Number(STATUS_LINE.exec(head.startLine)?.[1])
    if (status === 101) {
      messages.push({ startLine: head.startLine, headers: head.headers, body: Buffer.alloc(0) })
      return { messages, rest: head.after, upgrade: { index, protocol: head.headers.get('upgrade') ?? '' } }
    }
    const bodiless = status < 200 || status === 204 || status === 304 || methods[index] === 'HEAD'
    const { body, after } = bodiless
      ? { body: Buffer.alloc(0), after: head.after }
      : readBody(head.after, head.headers, head.after.length)
    messages.push({ startLine: head.startLine, headers: head.headers, body })
    rest = after
    if (status >= 200) index += 1
  }
}

interface Head {
  startLine: string
  headers: Map<string, string>
  after: Buffer
}

function readHead(bytes: Buffer, startLine: RegExp): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  if (!startLine.test(first)) return undefined
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return { startLine: first, headers, after: bytes.subarray(end + 4) }
}

function readBody(
  bytes: Buffer,
  headers: ReadonlyMap<string, string>,
  unsaid: number,
): { body: Buffer; after: Buffer } {
  if (headers.get('transfer-encoding')?.toLowerCase().includes('chunked')) return readChunks(bytes)
  const length = Number(headers.get('content-length') ?? unsaid)
  const end = Number.isInteger(length) && length >= 0 ? Math.min(length, bytes.length) : bytes.length
  return { body: bytes.subarray(0, end), after: bytes.subarray(end) }
}

function readChunks(bytes: Buffer): { body: Buffer; after: Buffer } {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = lineEnd === -1 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) return { body: Buffer.concat(chunks), after: Buffer.alloc(0) }
    if (size === 0) {
      // Trailers end like a head does.
      const end = bytes.subarray(lineEnd, lineEnd + 4).equals(Buffer.from('\r\n\r\n'))
        ? lineEnd
        : bytes.indexOf('\r\n\r\n', lineEnd + 2)
      return { body: Buffer.concat(chunks), after: end === -1 ? Buffer.alloc(0) : bytes.subarray(end + 4) }
    }
    chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
    if (at >= bytes.length) return { body: Buffer.concat(chunks), after: Buffer.alloc(0) }
  }
}

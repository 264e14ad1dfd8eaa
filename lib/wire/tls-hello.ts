/** ClientHello and ServerHello (RFC 8446 section 4.1): what every client and server says of itself in the clear. */

export interface ClientHello {
  /** `legacy_version`. */
  version: number
  random: Buffer
  sessionId: Buffer
  cipherSuites: number[]
  /** In the order in which they stand: a fingerprint. */
  extensions: number[]
  serverName?: string
  alpn: string[]
  /** Empty below TLS 1.3. */
  supportedVersions: number[]
  groups: number[]
  signatureAlgorithms: number[]
  /** A TLS 1.2 ticket that the client brings back; empty where it only says that it takes one. */
  sessionTicket?: Buffer
}

export interface ServerHello {
  /** The version that was chosen: from `supported_versions` at TLS 1.3. */
  version: number
  random: Buffer
  cipherSuite: number
  extensions: number[]
  alpn?: string
  /** Not an answer yet: the server asks for another key share (section 4.1.4). */
  helloRetry: boolean
}

const EXTENSION = {
  serverName: 0,
  groups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  sessionTicket: 35,
  supportedVersions: 43,
} as const

/** SHA-256 of `HelloRetryRequest`. */
const HELLO_RETRY_RANDOM = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')

/** The body of a handshake message of type 1; undefined where it is malformed. */
export function readClientHello(body: Buffer): ClientHello | undefined {
  const cursor = new Cursor(body)
  const version = cursor.number(2)
  const random = cursor.bytes(32)
  const sessionId = cursor.vector(1)
  const cipherSuites = numbers(cursor.vector(2))
  cursor.vector(1)
  const extensions = readExtensions(cursor)
  if (cursor.overrun) return undefined
  const serverName = readServerName(extensions.get(EXTENSION.serverName))
  const sessionTicket = extensions.get(EXTENSION.sessionTicket)
  return {
    version,
    random,
    sessionId,
    cipherSuites,
    extensions: [...extensions.keys()],
    ...(serverName === undefined ? {} : { serverName }),
    alpn: readNames(extensions.get(EXTENSION.alpn)),
    supportedVersions: numbers(listIn(extensions.get(EXTENSION.supportedVersions), 1)),
    groups: numbers(listIn(extensions.get(EXTENSION.groups), 2)),
    signatureAlgorithms: numbers(listIn(extensions.get(EXTENSION.signatureAlgorithms), 2)),
    ...(sessionTicket === undefined ? {} : { sessionTicket }),
  }
}

/** The body of a handshake message of type 2; undefined where it is malformed. */
export function readServerHello(body: Buffer): ServerHello | undefined {
  const cursor = new Cursor(body)
  const legacyVersion = cursor.number(2)
  const random = cursor.bytes(32)
  cursor.vector(1)
  const cipherSuite = cursor.number(2)
  cursor.number(1)
  const extensions = readExtensions(cursor)
  if (cursor.overrun) return undefined
  const chosen = extensions.get(EXTENSION.supportedVersions)
  const [alpn] = readNames(extensions.get(EXTENSION.alpn))
  return {
    version: chosen?.length === 2 ? chosen.readUInt16BE(0) : legacyVersion,
    random,
    cipherSuite,
    extensions: [...extensions.keys()],
    ...(alpn === undefined ? {} : { alpn }),
    helloRetry: random.equals(HELLO_RETRY_RANDOM),
  }
}

/** Reads vectors with length prefixes; past the end it gives zeros and remembers that it did. */
export class Cursor {
  readonly #bytes: Buffer
  #at = 0
  overrun = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  number(width: 1 | 2 | 3): number {
    const bytes = this.bytes(width)
    return bytes.length === width ? bytes.readUIntBE(0, width) : 0
  }

  bytes(length: number): Buffer {
    if (length > this.left) {
      this.overrun = true
      return Buffer.alloc(0)
    }
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  vector(lengthBytes: 1 | 2 | 3): Buffer {
    return this.bytes(this.number(lengthBytes))
  }
}

function readExtensions(cursor: Cursor): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>()
  // TLS 1.2 may leave them out altogether.
  if (cursor.left === 0) return extensions
  const list = new Cursor(cursor.vector(2))
  while (list.left > 0 && !list.overrun) {
    const type = list.number(2)
    const value = list.vector(2)
    if (!list.overrun) extensions.set(type, value)
  }
  cursor.overrun ||= list.overrun
  return extensions
}

function listIn(extension: Buffer | undefined, lengthBytes: 1 | 2): Buffer {
  return extension === undefined ? Buffer.alloc(0) : new Cursor(extension).vector(lengthBytes)
}

function numbers(list: Buffer): number[] {
  return Array.from({ length: list.length >> 1 }, (_, index) => list.readUInt16BE(index * 2))
}

function readNames(extension: Buffer | undefined): string[] {
  const names: string[] = []
  for (const list = new Cursor(listIn(extension, 2)); list.left > 0 && !list.overrun;) {
    names.push(list.vector(1).toString('latin1'))
  }
  return names
}

/** RFC 6066 section 3: of its list, `host_name` is the only type there is. */
function readServerName(extension: Buffer | undefined): string | undefined {
  const list = new Cursor(listIn(extension, 2))
  const type = list.number(1)
  const name = list.vector(2)
  return list.overrun || type !== 0 || name.length === 0 ? undefined : name.toString('latin1')
}

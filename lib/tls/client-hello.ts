/** Reads a ClientHello as strictly as Go's crypto/tls does (handshake_messages.go, clientHelloMsg.unmarshal). */

export interface ClientHello {
  /** `legacy_version`. */
  version: number
  cipherSuites: number[]
  compressionMethods: number[]
  serverName?: string
  /** Named groups. */
  groups: number[]
  pointFormats: number[]
  signatureAlgorithms: number[]
  alpn: string[]
  /** Empty where the extension is absent. */
  supportedVersions: number[]
  /** Length of what the renegotiation extension holds: more than nothing is a fault in a first handshake. */
  renegotiationLength: number
  hasEarlyData: boolean
  hasQuicParameters: boolean
}

/** Thrown within this file alone: whatever does not decode is Go's alert decode_error. */
class Malformed extends Error {}

/** The body of a handshake message of type 1; undefined where Go answers decode_error. */
export function readClientHello(body: Buffer): ClientHello | undefined {
  try {
    return read(new Reader(body))
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}

function read(message: Reader): ClientHello {
  const hello: ClientHello = {
    version: message.number(2),
    cipherSuites: [],
    compressionMethods: [],
    groups: [],
    pointFormats: [],
    signatureAlgorithms: [],
    alpn: [],
    supportedVersions: [],
    renegotiationLength: 0,
    hasEarlyData: false,
    hasQuicParameters: false,
  }
  message.bytes(32)
  message.vector(1)
  hello.cipherSuites = message.vector(2).numbers(2)
  hello.compressionMethods = message.vector(1).numbers(1)
  if (message.isEmpty) return hello
  const extensions = message.vector(2)
  message.end()
  const seen = new Set<number>()
  while (!extensions.isEmpty) {
    const type = extensions.number(2)
    const data = extensions.vector(2)
    if (seen.has(type)) throw new Malformed()
    seen.add(type)
    const readData = EXTENSIONS.get(type)
    if (!readData) continue
    readData(data, hello, extensions.isEmpty)
    data.end()
  }
  return hello
}

type ReadExtension = (data: Reader, hello: ClientHello, isLast: boolean) => void

/** What Go reads; all others it skips unseen. Numbers are IANA's. */
const EXTENSIONS: ReadonlyMap<number, ReadExtension> = new Map<number, ReadExtension>([
  [0, readServerName],
  // status_request
  [5, (data) => void [data.number(1), data.vector(2), data.vector(2)]],
  [10, (data, hello) => (hello.groups = data.filledVector(2).numbers(2))],
  [11, (data, hello) => (hello.pointFormats = data.filledVector(1).numbers(1))],
  [13, (data, hello) => (hello.signatureAlgorithms = data.filledVector(2).numbers(2))],
  [16, readProtocols],
  // signed_certificate_timestamp and extended_master_secret hold nothing.
  [18, () => {}],
  [23, () => {}],
  [35, (data) => void data.rest()],
  [41, readPreSharedKeys],
  [42, (_, hello) => (hello.hasEarlyData = true)],
  [43, (data, hello) => (hello.supportedVersions = data.filledVector(1).numbers(2))],
  // cookie
  [44, (data) => void data.filledVector(2)],
  // psk_key_exchange_modes
  [45, (data) => void data.vector(1)],
  // signature_algorithms_cert
  [50, (data) => void data.filledVector(2).numbers(2)],
  [51, readKeyShares],
  [57, (data, hello) => (hello.hasQuicParameters = data.rest().length >= 0)],
  [0xfe0d, (data) => void data.rest()],
  [0xff01, (data, hello) => (hello.renegotiationLength = data.vector(1).rest().length)],
])

function readServerName(data: Reader, hello: ClientHello): void {
  const names = data.filledVector(2)
  while (!names.isEmpty) {
    const type = names.number(1)
    const name = names.filledVector(2).rest().toString('latin1')
    if (type !== 0) continue
    if (hello.serverName !== undefined || name.endsWith('.')) throw new Malformed()
    hello.serverName = name
  }
}

function readProtocols(data: Reader, hello: ClientHello): void {
  const names = data.filledVector(2)
  while (!names.isEmpty) hello.alpn.push(names.filledVector(1).rest().toString('latin1'))
}

function readKeyShares(data: Reader): void {
  const shares = data.vector(2)
  while (!shares.isEmpty) {
    shares.number(2)
    shares.filledVector(2)
  }
}

function readPreSharedKeys(data: Reader, _: ClientHello, isLast: boolean): void {
  if (!isLast) throw new Malformed()
  const identities = data.filledVector(2)
  while (!identities.isEmpty) {
    identities.filledVector(2)
    identities.bytes(4)
  }
  const binders = data.filledVector(2)
  while (!binders.isEmpty) binders.filledVector(1)
}

/** Go's cryptobyte.String as far as it is needed. Every read throws Malformed past the end. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length
  }

  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new Malformed()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  rest(): Buffer {
    return this.bytes(this.#bytes.length - this.#at)
  }

  number(width: 1 | 2): number {
    return this.bytes(width).readUIntBE(0, width)
  }

  numbers(width: 1 | 2): number[] {
    const found: number[] = []
    while (!this.isEmpty) found.push(this.number(width))
    return found
  }

  vector(lengthWidth: 1 | 2): Reader {
    return new Reader(this.bytes(this.number(lengthWidth)))
  }

  filledVector(lengthWidth: 1 | 2): Reader {
    const vector = this.vector(lengthWidth)
    if (vector.isEmpty) throw new Malformed()
    return vector
  }

  end(): void {
    if (!this.isEmpty) throw new Malformed()
  }
}

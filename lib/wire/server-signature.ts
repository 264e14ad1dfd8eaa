/**
 * Whether a server has signed for a certain client: at TLS 1.2 its ServerKeyExchange holds, in the clear, a signature by its
 * certificate's key over both randoms and its share (RFC 8422 section 5.4). Whoever chose the client's random knows that it was made
 * for him. At TLS 1.3 the same is sealed.
 */
import { constants, verify, X509Certificate, type KeyObject } from 'node:crypto'
import { clearMessages } from './tls-handshake.ts'
import { Cursor, readServerHello } from './tls-hello.ts'
import { readTlsRecords } from './tls-records.ts'

const MESSAGE = { serverHello: 2, certificate: 11, serverKeyExchange: 12 } as const
const NAMED_CURVE = 3

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
/** RFC 8446 section 4.2.3. */
const SCHEMES: ReadonlyMap<number, { hash: string; options: object }> = new Map([
  [0x0401, { hash: 'sha256', options: {} }],
  [0x0501, { hash: 'sha384', options: {} }],
  [0x0403, { hash: 'sha256', options: {} }],
  [0x0503, { hash: 'sha384', options: {} }],
  [0x0804, { hash: 'sha256', options: PSS }],
  [0x0805, { hash: 'sha384', options: PSS }],
])

/** The DER certificate whose key signed for this random; undefined where none did. `flight` is what a server said from its first byte. */
export function signerFor(clientRandom: Buffer, flight: Buffer): Buffer | undefined {
  const messages = new Map<number, Buffer>()
  for (const { type, body } of clearMessages(readTlsRecords(flight).records)) messages.set(type, body)
  const hello = messages.get(MESSAGE.serverHello)
  const random = hello && readServerHello(hello)?.random
  const chain = messages.get(MESSAGE.certificate)
  const exchange = messages.get(MESSAGE.serverKeyExchange)
  if (random === undefined || chain === undefined || exchange === undefined) return undefined
  const leaf = new Cursor(new Cursor(chain).vector(3)).vector(3)
  const cursor = new Cursor(exchange)
  if (cursor.number(1) !== NAMED_CURVE) return undefined
  cursor.bytes(2)
  cursor.vector(1)
  const share = exchange.subarray(0, exchange.length - cursor.left)
  const scheme = SCHEMES.get(cursor.number(2))
  const signature = cursor.vector(2)
  const key = keyOf(leaf)
  if (cursor.overrun || scheme === undefined || key === undefined) return undefined
  const signed = Buffer.concat([clientRandom, random, share])
  return verify(scheme.hash, signed, { key, ...scheme.options }, signature) ? leaf : undefined
}

function keyOf(der: Buffer): KeyObject | undefined {
  try {
    return new X509Certificate(der).publicKey
  } catch {
    return undefined
  }
}

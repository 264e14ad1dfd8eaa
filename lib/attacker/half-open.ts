/** Half a handshake: a ClientHello of TLS 1.2 that costs its sender nothing, and then silence. The connection is held. */
import { alertName, goAlertText } from '../tls/alerts.ts'
import { dialPlain } from '../tls/plain.ts'
import { Refusal } from '../tls/refusal.ts'
import { readTlsRecords, RECORD_TYPE } from '../wire/tls-records.ts'
import { clearMessages } from '../wire/tls-handshake.ts'
import { refusalFacts, type Caller } from './request.ts'

const SERVER_HELLO_DONE = 14
const PATIENCE_MS = 4000

/** What the server says to it, up to where it waits for us. */
export async function halfOpen(baseUrl: string, random: Buffer, caller: Caller): Promise<Buffer> {
  const { hostname, port, host } = new URL(baseUrl)
  let said = Buffer.alloc(0)
  try {
    const socket = await dialPlain({ address: hostname, port: Number(port), localAddress: caller.localAddress })
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer in time')))
    socket.write(clientHello(random))
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      said = Buffer.concat([said, chunk as Buffer])
      if (isOver(said)) break
    }
    const refusal = refusalIn(said)
    if (refusal) throw refusal
    socket.setTimeout(0)
    socket.on('error', () => {})
    socket.resume()
  } catch (error) {
    caller.observe(refusalFacts(error, host))
  }
  return said
}

function isOver(said: Buffer): boolean {
  return isWaiting(said) || alertIn(said) !== undefined
}

/** At the end of its flight. */
function isWaiting(said: Buffer): boolean {
  return [...clearMessages(readTlsRecords(said).records)].some(({ type }) => type === SERVER_HELLO_DONE)
}

/** What it says in an alert (RFC 5246 section 7.2): level, description. */
function alertIn(said: Buffer): number | undefined {
  return readTlsRecords(said).records.find(({ type }) => type === RECORD_TYPE.alert)?.body[1]
}

function refusalIn(said: Buffer): Refusal | undefined {
  const alert = alertIn(said)
  if (alert !== undefined) {
    const text = `remote error: tls: ${goAlertText(alert)}`
    return new Refusal('tls-alert', alertName(alert), text, { alert, who: 'them' })
  }
  return isWaiting(said) ? undefined : new Refusal(undefined, 'EOF', 'EOF')
}

/** What any server with a certificate of ECDSA or RSA signs an ephemeral share for. */
const SUITES = [0xc02b, 0xc02f, 0xc02c, 0xc030]
const GROUPS = [0x001d, 0x0017]
const SIGNATURE_ALGORITHMS = [0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501]

function clientHello(random: Buffer): Buffer {
  const extensions = Buffer.concat([
    extension(10, vector(2, numbers(GROUPS))),
    extension(11, Buffer.from([1, 0])),
    extension(13, vector(2, numbers(SIGNATURE_ALGORITHMS))),
  ])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    random,
    vector(1, Buffer.alloc(0)),
    vector(2, numbers(SUITES)),
    vector(1, Buffer.from([0])),
    vector(2, extensions),
  ])
  const message = Buffer.concat([Buffer.from([1]), vector(3, body)])
  return Buffer.concat([Buffer.from([RECORD_TYPE.handshake, 3, 1]), vector(2, message)])
}

function extension(type: number, value: Buffer): Buffer {
  return Buffer.concat([numbers([type]), vector(2, value)])
}

function vector(lengthBytes: number, value: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(value.length, 0, lengthBytes)
  return Buffer.concat([length, value])
}

function numbers(list: readonly number[]): Buffer {
  return Buffer.from(list.flatMap((each) => [each >> 8, each & 0xff]))
}

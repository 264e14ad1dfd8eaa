/**
 * Opens recorded TLS with what leaked: both directions of one connection from its first byte. TLS 1.3 (RFC 8446 sections
 * 5.2, 7.1, 7.2) and the AEAD suites of TLS 1.2 (RFC 5246 section 6.3, RFC 5288, RFC 7905).
 */
import { masterSecret, type LeakedSecrets } from './leaked-secrets.ts'
import { clearMessages } from './tls-handshake.ts'
import { readClientHello, readServerHello } from './tls-hello.ts'
import { readTlsRecords, RECORD_TYPE, type TlsRecord } from './tls-records.ts'
import { expandLabel, prf12, SUITES, unseal, type Suite } from './tls-suites.ts'

export interface Opened {
  toServer: Buffer
  toClient: Buffer
}

/** What passed in the clear inside the connection; undefined where the keys or the handshake are not there. */
export function openTls(toServer: Buffer, toClient: Buffer, leaked: LeakedSecrets): Opened | undefined {
  if (!leaked.keyLog?.size && !leaked.serverKeys?.length && !leaked.ticketKeys?.length) return undefined
  const fromClient = readTlsRecords(toServer).records
  const fromServer = readTlsRecords(toClient).records
  const clientHello = helloOf(fromClient, CLIENT_HELLO, readClientHello)
  const serverHello = helloOf(fromServer, SERVER_HELLO, (body) => {
    const hello = readServerHello(body)
    return hello?.helloRetry ? undefined : hello
  })
  const suite = serverHello && SUITES.get(serverHello.cipherSuite)
  if (clientHello === undefined || serverHello === undefined || suite === undefined) return undefined
  if (serverHello.cipherSuite >> 8 === 0x13) {
    const random = clientHello.random.toString('hex')
    const open = (records: readonly TlsRecord[], who: 'CLIENT' | 'SERVER'): Buffer | undefined => {
      const handshake = leaked.keyLog?.get(`${who}_HANDSHAKE_TRAFFIC_SECRET ${random}`)
      const traffic = leaked.keyLog?.get(`${who}_TRAFFIC_SECRET_0 ${random}`)
      return handshake && traffic && open13(records, suite, handshake, traffic)
    }
    const asked = open(fromClient, 'CLIENT')
    const answered = open(fromServer, 'SERVER')
    return asked && answered ? { toServer: asked, toClient: answered } : undefined
  }
  const master = masterSecret(fromClient, fromServer, suite, leaked)
  return master && open12(fromClient, fromServer, suite, master, clientHello.random, serverHello.random)
}

const CLIENT_HELLO = 1
const SERVER_HELLO = 2

/** The first hello that is one; a second ClientHello repeats the first one's random (RFC 8446 section 4.1.2). */
function helloOf<T>(
  records: readonly TlsRecord[],
  wanted: number,
  read: (body: Buffer) => T | undefined,
): T | undefined {
  for (const { type, body } of clearMessages(records)) {
    const hello = type === wanted ? read(body) : undefined
    if (hello !== undefined) return hello
  }
  return undefined
}

function open13(list: readonly TlsRecord[], suite: Suite, handshake: Buffer, traffic: Buffer): Buffer {
  const clear: Buffer[] = []
  let secret = handshake
  let keys = trafficKeys(suite, secret)
  let sequence = 0n
  for (const record of list) {
    if (record.type !== RECORD_TYPE.applicationData) continue
    const inner = unseal(suite, keys.key, xor(keys.iv, sequence), headerOf(record), record.body)
    if (!inner) break
    sequence += 1n
    const end = inner.findLastIndex((byte) => byte !== 0)
    const content = inner.subarray(0, end)
    if (inner[end] === RECORD_TYPE.applicationData) clear.push(content)
    if (inner[end] !== RECORD_TYPE.handshake) continue
    const last = lastHandshakeType(content)
    if (last === FINISHED && secret === handshake) secret = traffic
    else if (last === KEY_UPDATE) secret = expandLabel(suite, secret, 'traffic upd', secret.length)
    else continue
    keys = trafficKeys(suite, secret)
    sequence = 0n
  }
  return Buffer.concat(clear)
}

const FINISHED = 20
const KEY_UPDATE = 24

/** The type of the last handshake message in a record; messages that run over a record's end keep the walk honest. */
function lastHandshakeType(content: Buffer): number | undefined {
  let type: number | undefined
  for (let at = 0; at + 4 <= content.length; at += 4 + content.readUIntBE(at + 1, 3)) type = content[at]
  // A Certificate may be split over records: its tail is no header. Finished ends the flight, so look there as well.
  const finishedLengths = [36, 52]
  for (const length of finishedLengths) {
    const at = content.length - length
    if (at >= 0 && content[at] === FINISHED && content.readUIntBE(at + 1, 3) === length - 4) return FINISHED
  }
  return type
}

function open12(
  fromClient: readonly TlsRecord[],
  fromServer: readonly TlsRecord[],
  suite: Suite,
  master: Buffer,
  client: Buffer,
  server: Buffer,
): Opened {
  const ivLength = suite.explicitNonce ? 4 : 12
  const block = prf12(suite, master, 'key expansion', Buffer.concat([server, client]), 2 * (suite.keyLength + ivLength))
  const at = (index: number): Buffer => block.subarray(index * suite.keyLength, (index + 1) * suite.keyLength)
  const ivs = block.subarray(2 * suite.keyLength)
  const open = (list: readonly TlsRecord[], key: Buffer, iv: Buffer): Buffer => {
    const clear: Buffer[] = []
    let sequence = 0n
    let encrypted = false
    for (const record of list) {
      if (record.type === RECORD_TYPE.changeCipherSpec) encrypted = true
      else if (encrypted) {
        const nonce = suite.explicitNonce ? Buffer.concat([iv, record.body.subarray(0, 8)]) : xor(iv, sequence)
        const sealed = record.body.subarray(suite.explicitNonce)
        const content = unseal(suite, key, nonce, additional12(sequence, record, sealed.length - 16), sealed)
        if (!content) break
        sequence += 1n
        if (record.type === RECORD_TYPE.applicationData) clear.push(content)
      }
    }
    return Buffer.concat(clear)
  }
  return {
    toServer: open(fromClient, at(0), ivs.subarray(0, ivLength)),
    toClient: open(fromServer, at(1), ivs.subarray(ivLength, 2 * ivLength)),
  }
}

function additional12(sequence: bigint, record: TlsRecord, length: number): Buffer {
  const data = Buffer.alloc(13)
  data.writeBigUInt64BE(sequence)
  headerOf(record).copy(data, 8, 0, 3)
  data.writeUInt16BE(length, 11)
  return data
}

/** A record's header as it stood, with the length of its body. */
function headerOf({ type, version, body }: TlsRecord): Buffer {
  return Buffer.from([type, version >> 8, version & 0xff, body.length >> 8, body.length & 0xff])
}

function trafficKeys(suite: Suite, secret: Buffer): { key: Buffer; iv: Buffer } {
  return { key: expandLabel(suite, secret, 'key', suite.keyLength), iv: expandLabel(suite, secret, 'iv', 12) }
}

function xor(iv: Buffer, sequence: bigint): Buffer {
  const nonce = Buffer.from(iv)
  const low = nonce.readBigUInt64BE(4) ^ sequence
  nonce.writeBigUInt64BE(low, 4)
  return nonce
}

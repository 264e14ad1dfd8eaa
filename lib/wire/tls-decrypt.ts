/**
 * Opens recorded TLS with leaked session keys: an SSLKEYLOGFILE (RFC 9850) and both directions of one connection from
 * its first byte. TLS 1.3 (RFC 8446 sections 5.2, 7.1, 7.2) and the AEAD suites of TLS 1.2 (RFC 5288, RFC 7905).
 */
import { createDecipheriv, createHmac, type CipherGCMTypes } from 'node:crypto'

/** Label and client random (hex) -> secret. */
export type KeyLog = ReadonlyMap<string, Buffer>

export function parseKeyLog(text: string): KeyLog {
  const keys = new Map<string, Buffer>()
  for (const line of text.split('\n')) {
    const [label, random, secret] = line.trim().split(' ')
    if (label && random && secret && !label.startsWith('#')) keys.set(`${label} ${random}`, Buffer.from(secret, 'hex'))
  }
  return keys
}

export interface Opened {
  toServer: Buffer
  toClient: Buffer
}

interface Suite {
  hash: 'sha256' | 'sha384'
  keyLength: number
  cipher: CipherGCMTypes | 'chacha20-poly1305'
  /** Bytes of nonce that TLS 1.2 sends with each record. */
  explicitNonce: number
}

const AES_128 = { keyLength: 16, cipher: 'aes-128-gcm', explicitNonce: 8 } as const
const AES_256 = { keyLength: 32, cipher: 'aes-256-gcm', explicitNonce: 8 } as const
const CHACHA = { keyLength: 32, cipher: 'chacha20-poly1305', explicitNonce: 0 } as const

const SUITES: ReadonlyMap<number, Suite> = new Map<number, Suite>([
  [0x1301, { hash: 'sha256', ...AES_128 }],
  [0x1302, { hash: 'sha384', ...AES_256 }],
  [0x1303, { hash: 'sha256', ...CHACHA }],
  [0xc02b, { hash: 'sha256', ...AES_128 }],
  [0xc02f, { hash: 'sha256', ...AES_128 }],
  [0xc02c, { hash: 'sha384', ...AES_256 }],
  [0xc030, { hash: 'sha384', ...AES_256 }],
  [0xcca8, { hash: 'sha256', ...CHACHA }],
  [0xcca9, { hash: 'sha256', ...CHACHA }],
  [0x009c, { hash: 'sha256', ...AES_128 }],
  [0x009d, { hash: 'sha384', ...AES_256 }],
])

/** What passed in the clear inside the connection; undefined where the keys or the handshake are not there. */
export function openTls(toServer: Buffer, toClient: Buffer, keys: KeyLog): Opened | undefined {
  const fromClient = records(toServer)
  const fromServer = records(toClient)
  const clientHello = fromClient[0]
  const serverHello = fromServer.find((record) => record.type === 22 && !isHelloRetry(record.body))
  if (clientHello?.type !== 22 || clientHello.body[0] !== 1 || serverHello?.body[0] !== 2) return undefined
  const clientRandom = clientHello.body.subarray(6, 38)
  const serverRandom = serverHello.body.subarray(6, 38)
  const suiteAt = 39 + (serverHello.body[38] ?? 0)
  const suiteId = serverHello.body.readUInt16BE(suiteAt)
  const suite = SUITES.get(suiteId)
  if (!suite) return undefined
  const random = clientRandom.toString('hex')
  if (suiteId >> 8 === 0x13) {
    const open = (list: Record[], who: 'CLIENT' | 'SERVER'): Buffer | undefined => {
      const handshake = keys.get(`${who}_HANDSHAKE_TRAFFIC_SECRET ${random}`)
      const traffic = keys.get(`${who}_TRAFFIC_SECRET_0 ${random}`)
      return handshake && traffic && open13(list, suite, handshake, traffic)
    }
    const opened = { toServer: open(fromClient, 'CLIENT'), toClient: open(fromServer, 'SERVER') }
    return opened.toServer && opened.toClient ? (opened as Opened) : undefined
  }
  const master = keys.get(`CLIENT_RANDOM ${random}`)
  return master && open12(fromClient, fromServer, suite, master, clientRandom, serverRandom)
}

interface Record {
  type: number
  header: Buffer
  body: Buffer
}

function records(stream: Buffer): Record[] {
  const found: Record[] = []
  for (let at = 0; at + 5 <= stream.length;) {
    const length = stream.readUInt16BE(at + 3)
    if (at + 5 + length > stream.length) break
    const header = stream.subarray(at, at + 5)
    found.push({ type: header[0]!, header, body: stream.subarray(at + 5, at + 5 + length) })
    at += 5 + length
  }
  return found
}

/** SHA-256 of "HelloRetryRequest", RFC 8446 section 4.1.3. */
const HELLO_RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')

function isHelloRetry(body: Buffer): boolean {
  return body[0] === 2 && body.subarray(6, 38).equals(HELLO_RETRY)
}

function open13(list: Record[], suite: Suite, handshake: Buffer, traffic: Buffer): Buffer {
  const clear: Buffer[] = []
  let secret = handshake
  let keys = trafficKeys(suite, secret)
  let sequence = 0n
  for (const record of list) {
    if (record.type !== 23) continue
    const inner = unseal(suite, keys.key, xor(keys.iv, sequence), record.header, record.body)
    if (!inner) break
    sequence += 1n
    const end = inner.findLastIndex((byte) => byte !== 0)
    const content = inner.subarray(0, end)
    if (inner[end] === 23) clear.push(content)
    if (inner[end] !== 22) continue
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
  fromClient: Record[],
  fromServer: Record[],
  suite: Suite,
  master: Buffer,
  client: Buffer,
  server: Buffer,
): Opened {
  const ivLength = suite.explicitNonce ? 4 : 12
  const block = prf12(suite, master, 'key expansion', Buffer.concat([server, client]), 2 * (suite.keyLength + ivLength))
  const at = (index: number): Buffer => block.subarray(index * suite.keyLength, (index + 1) * suite.keyLength)
  const ivs = block.subarray(2 * suite.keyLength)
  const open = (list: Record[], key: Buffer, iv: Buffer): Buffer => {
    const clear: Buffer[] = []
    let sequence = 0n
    let encrypted = false
    for (const record of list) {
      if (record.type === 20) encrypted = true
      else if (encrypted) {
        const nonce = suite.explicitNonce ? Buffer.concat([iv, record.body.subarray(0, 8)]) : xor(iv, sequence)
        const sealed = record.body.subarray(suite.explicitNonce)
        const content = unseal(suite, key, nonce, additional12(sequence, record, sealed.length - 16), sealed)
        if (!content) break
        sequence += 1n
        if (record.type === 23) clear.push(content)
      }
    }
    return Buffer.concat(clear)
  }
  return {
    toServer: open(fromClient, at(0), ivs.subarray(0, ivLength)),
    toClient: open(fromServer, at(1), ivs.subarray(ivLength, 2 * ivLength)),
  }
}

function additional12(sequence: bigint, record: Record, length: number): Buffer {
  const data = Buffer.alloc(13)
  data.writeBigUInt64BE(sequence)
  record.header.copy(data, 8, 0, 3)
  data.writeUInt16BE(length, 11)
  return data
}

function unseal(suite: Suite, key: Buffer, nonce: Buffer, additional: Buffer, sealed: Buffer): Buffer | undefined {
  if (sealed.length < 16) return undefined
  const cipher = suite.cipher as CipherGCMTypes
  const decipher = createDecipheriv(cipher, key, nonce, { authTagLength: 16 })
  decipher.setAAD(additional)
  decipher.setAuthTag(sealed.subarray(sealed.length - 16))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()])
  } catch {
    return undefined
  }
}

function trafficKeys(suite: Suite, secret: Buffer): { key: Buffer; iv: Buffer } {
  return { key: expandLabel(suite, secret, 'key', suite.keyLength), iv: expandLabel(suite, secret, 'iv', 12) }
}

/** HKDF-Expand-Label with an empty context, for outputs of at most one hash (RFC 8446 section 7.1). */
function expandLabel(suite: Suite, secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([length >> 8, length & 0xff, name.length]), name, Buffer.from([0, 1])])
  return createHmac(suite.hash, secret).update(info).digest().subarray(0, length)
}

/** RFC 5246 section 5. */
function prf12(suite: Suite, secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label), seed])
  let a = labelled
  let out = Buffer.alloc(0)
  while (out.length < length) {
    a = createHmac(suite.hash, secret).update(a).digest()
    out = Buffer.concat([out, createHmac(suite.hash, secret).update(a).update(labelled).digest()])
  }
  return out.subarray(0, length)
}

function xor(iv: Buffer, sequence: bigint): Buffer {
  const nonce = Buffer.from(iv)
  const low = nonce.readBigUInt64BE(4) ^ sequence
  nonce.writeBigUInt64BE(low, 4)
  return nonce
}

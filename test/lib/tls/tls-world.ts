/** Certificates, a listener that keeps what it was told, and a client of plain Node, for the tests of both sides. */
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import {
  listenTls,
  type KeyPair,
  type ListenOptions,
  type Listener,
  type TlsConnection,
} from '../../../lib/tls/listen.ts'
import type { TlsVersion } from '../../../lib/tls/policy.ts'
import { refusalOf, type Refusal } from '../../../lib/tls/refusal.ts'
import type { CertificateSpec, Issued } from '../../../lib/x509/certificate-spec.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { issueOdd } from '../../../lib/x509/odd.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'

export const ADDRESS = '127.0.0.1'
export const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
export const only = (version: TlsVersion): { minVersion: TlsVersion; maxVersion: TlsVersion } => ({
  minVersion: version,
  maxVersion: version,
})

const HOUR_MS = 3_600_000
export const VALIDITY = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) }
export const PAST = { notBefore: new Date(Date.now() - 2 * HOUR_MS), notAfter: new Date(Date.now() - HOUR_MS) }

export const pairOf = ({ certificate, privateKey }: Issued): KeyPair => ({ cert: certificate, key: privateKey })

export interface Authority {
  ca: Issued
  server: (facts?: Partial<CertificateSpec>) => Promise<KeyPair>
  client: (facts?: Partial<CertificateSpec>) => Promise<KeyPair>
}

export async function authority(commonName = 'kubernetes'): Promise<Authority> {
  const ca = await issue({ commonName, isCa: true, ...VALIDITY })
  return {
    ca,
    server: async (facts) =>
      pairOf(
        await issue(
          {
            commonName: 'server',
            usages: ['serverAuth'],
            dnsNames: ['server.test'],
            ipAddresses: [ADDRESS],
            ...VALIDITY,
            ...facts,
          },
          ca,
        ),
      ),
    client: async (facts) =>
      pairOf(await issue({ commonName: 'client', usages: ['clientAuth'], ...VALIDITY, ...facts }, ca)),
  }
}

/** With a negative serial: OpenSSL reads such a certificate, Go does not. Its signature is of no more worth. */
export async function unparsable(ca: Issued): Promise<KeyPair> {
  const serialNumber = 0x1122334455667788n
  const issued = await issueOdd({ commonName: 'odd', serialNumber, ...VALIDITY }, ca)
  const [der] = certificatesFromPem(issued.certificate)
  der![der!.indexOf(Buffer.from('1122334455667788', 'hex'))] = 0x91
  return { cert: pem(der!), key: issued.privateKey }
}

/** A key of 8676 bits, made of two Mersenne primes: Go looks at no RSA key above 8192 bits. */
export async function oversized(ca: Issued): Promise<KeyPair> {
  const [p, q, e] = [2n ** 4423n - 1n, 2n ** 4253n - 1n, 65537n]
  const d = inverse(e, (p - 1n) * (q - 1n))
  const numbers = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, base64url(number)]))
  const key = createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' })
  const privateKey = key.export({ type: 'pkcs1', format: 'pem' }).toString()
  return pairOf(await issueOdd({ commonName: 'big', usages: ['clientAuth'], ...VALIDITY, privateKey }, ca))
}

function inverse(number: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [number % modulus, modulus, 1n, 0n]
  while (b > 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y]
  return x < 0n ? x + modulus : x
}

function base64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

export interface Heard extends Listener {
  connections: TlsConnection[]
  refusals: Refusal[]
  /** Connections of the refusals, in the same order. */
  refused: TlsConnection[]
  /** Resolves once so many refusals were told. */
  heard: (count: number) => Promise<void>
}

/** Listens and says `hello` to whoever gets in. */
export async function listen(
  options: Pick<ListenOptions, 'keyPair'> & Partial<Omit<ListenOptions, 'onConnection' | 'onRefusal'>>,
): Promise<Heard> {
  const connections: TlsConnection[] = []
  const refusals: Refusal[] = []
  const refused: TlsConnection[] = []
  let told = (): void => {}
  const listener = await listenTls({
    address: ADDRESS,
    port: 0,
    policy: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
    clientCertificates: { mode: 'none' },
    alpn: [],
    plainHttp: 'close',
    ...options,
    onConnection: (socket, connection) => {
      connections.push(connection)
      socket.end('hello')
      socket.resume()
    },
    onRefusal: (refusal, connection) => {
      refusals.push(refusal)
      refused.push(connection)
      told()
    },
  })
  const heard = async (count: number): Promise<void> => {
    const deadline = AbortSignal.timeout(5000)
    while (refusals.length < count) {
      await new Promise<void>((resolve, reject) => {
        told = resolve
        deadline.addEventListener('abort', () => reject(new Error(`heard ${refusals.length} of ${count} refusals`)))
      })
    }
  }
  return { ...listener, connections, refusals, refused, heard }
}

export interface Visit {
  /** What was read, to the end. */
  text: string
  /** How the other end's refusal arrived. */
  refusal?: Refusal
  socket: TLSSocket
  session: Buffer | undefined
  isResumed: boolean
}

/** A client of plain Node that believes everybody: connects, reads to the end, goes. */
export async function visit(port: number, options: ConnectionOptions = {}): Promise<Visit> {
  const socket = connect({ host: ADDRESS, port, rejectUnauthorized: false, ...options })
  const found: Visit = { text: '', socket, session: undefined, isResumed: false }
  socket.setEncoding('utf8').on('data', (text: string) => (found.text += text))
  socket.once('secureConnect', () => (found.isResumed = socket.isSessionReused()))
  socket.on('session', (session) => (found.session = session))
  socket.on('error', (error) => (found.refusal ??= refusalOf(error)))
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return found
}

/** A client without TLS: says its piece, reads to the end. */
export async function say(port: number, bytes: string | Buffer): Promise<Buffer> {
  const socket: Socket = connectTcp({ host: ADDRESS, port })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
  if (bytes.length > 0) socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

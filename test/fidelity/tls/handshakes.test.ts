/**
 * Handshakes recorded from a real kubelet and a real kube-apiserver 1.36.3, made anew with the listening side as these
 * components set it. handshakes.json: one recording a line; `settings` in the words of the flags, `client` in OpenSSL's.
 * Rows about serving names are sim/kube-apiserver's, rows about HTTP the components' own.
 */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTcp } from 'node:net'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { policyFromFlags } from '../../../lib/tls/go-settings.ts'
import type { KeyPair } from '../../../lib/tls/listen.ts'
import { refusalOf } from '../../../lib/tls/refusal.ts'
import { clearMessages } from '../../../lib/wire/tls-handshake.ts'
import { readTlsRecords } from '../../../lib/wire/tls-records.ts'
import type { KeyAlgorithm } from '../../../lib/x509/certificate-spec.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { nameToString, parseCertificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { helloRecord, GROUPS, SIGNATURES, VERSIONS_OFFERED } from '../../lib/tls/hello-bytes.ts'
import { ADDRESS, listen, pairOf, VALIDITY, type Heard } from '../../lib/tls/tls-world.ts'

interface Row {
  id: string
  serving: KeyAlgorithm | 'none'
  settings: { minVersion: string; cipherSuites: string[]; curves: number[] }
  alpn: string[]
  asks: boolean
  client: {
    version?: SecureVersion
    minVersion?: SecureVersion
    maxVersion?: SecureVersion
    suites?: string
    groups?: string
    alpn?: string[]
    serverName?: string
  }
  answer: {
    alert?: number
    version?: string
    cipher?: string
    group?: string
    alpn?: string | null
    log?: string
    certificateAuthorities?: string[]
    certificateTypes?: string
    signatureAlgorithms?: string[]
  }
}

const EXCEPTIONS: Readonly<Record<string, string>> = {}

const path = join(packageRoot(), 'test/fidelity/tls/handshakes.json')
const rows: Row[] = JSON.parse(readFileSync(path, 'utf8'))

const ca = await issue({ commonName: 'kubernetes', isCa: true, key: 'RSA-2048', ...VALIDITY })
const frontProxyCa = await issue({ commonName: 'front-proxy-ca', isCa: true, ...VALIDITY })
const leaf = { commonName: 'server', dnsNames: ['server'], usages: ['serverAuth' as const], ...VALIDITY }
const ecCa = await issue({ commonName: 'kubernetes', isCa: true, ...VALIDITY })
const pairs: Readonly<Record<string, KeyPair>> = {
  'RSA-2048': pairOf(await issue({ ...leaf, key: 'RSA-2048' }, ca)),
  'ECDSA-P256': pairOf(await issue(leaf, ecCa)),
}

const listeners = new Map<string, Promise<Heard>>()
t.teardown(async () => Promise.all([...listeners.values()].map(async (listener) => (await listener).close())))

function listenerOf({ id, serving, settings, alpn, asks }: Row): Promise<Heard> {
  const isKubelet = id.startsWith('kubelet/')
  const key = JSON.stringify([isKubelet, serving, settings, alpn, asks])
  const caPem = ca.certificate + (isKubelet ? '' : frontProxyCa.certificate)
  const listener =
    listeners.get(key) ??
    listen({
      policy: policyFromFlags(settings.minVersion, settings.cipherSuites, settings.curves),
      keyPair: () => {
        if (serving === 'none') throw new Error('no serving certificate available for the kubelet')
        return pairs[serving]
      },
      clientCertificates: asks ? { mode: 'request', caPem: () => caPem } : { mode: 'none' },
      alpn,
    })
  listeners.set(key, listener)
  return listener
}

/** What a client of OpenSSL sees, in the words of the recording. */
async function answerTo({ client }: Row, port: number): Promise<Row['answer']> {
  const { version, minVersion = version ?? 'TLSv1.2', maxVersion = version ?? 'TLSv1.3', suites, groups } = client
  let socket: TLSSocket
  try {
    socket = connect({
      host: ADDRESS,
      port,
      rejectUnauthorized: false,
      minVersion,
      maxVersion,
      ...(suites || minVersion < 'TLSv1.2' ? { ciphers: suitesOf(suites) } : {}),
      ...(groups ? { ecdhCurve: groups } : {}),
      ...(client.alpn ? { ALPNProtocols: client.alpn } : {}),
      ...(client.serverName ? { servername: client.serverName } : {}),
    })
  } catch (error) {
    throw new Error(`this OpenSSL has no such client: ${(error as Error).message}`, { cause: error })
  }
  socket.resume()
  return new Promise((resolve) => {
    socket.once('error', (error) => resolve({ alert: refusalOf(error).details.alert ?? -1 }))
    socket.once('secureConnect', () => {
      const key = socket.getEphemeralKeyInfo() as { name?: string; type?: string }
      resolve({
        version: socket.getProtocol() ?? '',
        cipher: socket.getCipher().name,
        alpn: socket.alpnProtocol || null,
        group: key.name ?? key.type ?? '',
      })
      socket.destroy()
    })
  })
}

function suitesOf(suites = 'ALL'): string {
  return suites.startsWith('TLS_') ? suites : `${suites}:@SECLEVEL=0`
}

/** The certificate request of TLS 1.2, which stands in the clear. */
async function certificateRequest(port: number): Promise<Row['answer'] | undefined> {
  const socket = connectTcp({ host: ADDRESS, port })
  const extensions = [VERSIONS_OFFERED(0x0303), GROUPS(29, 23), SIGNATURES(0x0401, 0x0403)]
  socket.write(helloRecord({ suites: [0xc02f, 0xc02b], extensions }))
  const chunks: Buffer[] = []
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer)
    const messages = [...clearMessages(readTlsRecords(Buffer.concat(chunks)).records)]
    const request = messages.find(({ type }) => type === 13)
    if (request) return requestWords(request.body)
  }
  return undefined
}

const TYPES: Readonly<Record<number, string>> = { 1: 'RSA sign', 64: 'ECDSA sign' }
const SCHEMES: Readonly<Record<number, string>> = {
  0x0804: 'RSA-PSS+SHA256',
  0x0805: 'RSA-PSS+SHA384',
  0x0806: 'RSA-PSS+SHA512',
  0x0401: 'RSA+SHA256',
  0x0501: 'RSA+SHA384',
  0x0601: 'RSA+SHA512',
  0x0403: 'ECDSA+SHA256',
  0x0503: 'ECDSA+SHA384',
  0x0603: 'ECDSA+SHA512',
  0x0807: 'ed25519',
}

function requestWords(body: Buffer): Row['answer'] {
  const types = body.subarray(1, 1 + body[0]!)
  let at = 1 + types.length
  const schemes = body.subarray(at + 2, at + 2 + body.readUInt16BE(at))
  at += 2 + schemes.length + 2
  const names: string[] = []
  while (at < body.length) {
    const name = body.subarray(at + 2, at + 2 + body.readUInt16BE(at))
    const known = [ca, frontProxyCa].map(({ certificate }) => parseCertificate(certificatesFromPem(certificate)[0]!))
    const { subject } = known.find(({ rawSubject }) => rawSubject.equals(name))!
    names.push(nameToString(subject).replace('=', ' = '))
    at += 2 + name.length
  }
  return {
    certificateTypes: [...types].map((type) => TYPES[type] ?? String(type)).join(', '),
    signatureAlgorithms: Array.from(
      { length: schemes.length / 2 },
      (_, i) => SCHEMES[schemes.readUInt16BE(i * 2)] ?? '?',
    ),
    certificateAuthorities: names,
  }
}

/** A long offer is whatever this client's OpenSSL was built with. */
function offerOf(log = ''): string {
  const [words, offer = ''] = log.split('client offered: ')
  return offer.split(' ').length > 4 ? `${words}client offered: […]` : log
}

t.test('handshakes.json: every row agrees or is an exception with its reason', async (t) => {
  for (const row of rows) {
    const listener = await listenerOf(row)
    const { log: line, ...wanted } = row.answer
    // Some handshakes that went well were left in the middle by the recording's client.
    const log = wanted.alert === undefined ? undefined : line
    const before = listener.refusals.length
    const got = wanted.version || wanted.alert ? await answerTo(row, listener.port) : {}
    if (wanted.certificateAuthorities) {
      const asked = row.asks ? await certificateRequest(listener.port) : { certificateAuthorities: [] }
      // Where TLS 1.2 is not spoken, it asks where nobody sees it.
      if (asked) Object.assign(got, Object.fromEntries(Object.entries(asked).filter(([name]) => name in wanted)))
      else delete wanted.certificateAuthorities
    }
    for (const name of ['group', 'alpn'] as const) if (!(name in wanted)) delete got[name]
    const reason = EXCEPTIONS[row.id]
    const said = log === undefined ? undefined : listener.refusals[before]?.message
    const [one, other] = [
      { ...sorted(got), said: offerOf(said) },
      { ...sorted(wanted), said: offerOf(log) },
    ]
    if (reason === undefined) t.strictSame(one, other, row.id)
    else t.notSame(one, other, `${row.id}: strike it from the exceptions where it agrees`)
  }
  t.equal(rows.length, 172, 'no row was left out')
  t.comment(`agree ${rows.length - Object.keys(EXCEPTIONS).length}, exceptions ${Object.keys(EXCEPTIONS).length}`)
})

function sorted(answer: object): object {
  return Object.fromEntries(Object.entries(answer).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

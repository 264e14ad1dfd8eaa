/**
 * Any bytes for every reader of foreign bytes: `node dist/test/fuzz/inputs.js [--count N] [--seed S] [--only name,name]`. A
 * reader answers or refuses with an error of its own; what is counted as a find is another error, much CPU, or memory that
 * grows. `--count` is for each reader; live ports get one connection for each input too, those of a whole etcd member among
 * them.
 */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import { answerHello } from '../../lib/tls/answer-hello.ts'
import { readFirstBytes } from '../../lib/tls/hello-reader.ts'
import { listenTls, type ClientCertificates, type KeyPair, type Listener } from '../../lib/tls/listen.ts'
import { GO_DEFAULT_POLICY } from '../../lib/tls/policy.ts'
import { servingKeyOf } from '../../lib/tls/serving-key.ts'
import { CaptureError } from '../../lib/wire/capture-error.ts'
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  nameResolution,
  sectionHeader,
} from '../../lib/wire/pcapng.ts'
import { readCapture } from '../../lib/wire/pcapng-read.ts'
import { readTlsHandshake } from '../../lib/wire/tls-handshake.ts'
import { parseRevocationList } from '../../lib/x509/crl.ts'
import { CertificateParseError } from '../../lib/x509/errors.ts'
import { issue } from '../../lib/x509/issue.ts'
import { revocationList } from '../../lib/x509/odd.ts'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { certificatesFromPem, pemBlocks } from '../../lib/x509/pem.ts'
import { certPool } from '../../lib/x509/pool.ts'
import { helloRecord, ALPN, SNI, VERSIONS_OFFERED } from '../lib/tls/hello-bytes.ts'
import { etcdPorts } from './etcd-ports.ts'
import { mutateBytes, mutateTree } from './mutate.ts'
import { Random } from './random.ts'

interface Target {
  seeds: readonly Buffer[]
  /** ASN.1, whose lengths a mutation keeps right most of the time. */
  isDer?: true
  /** Throws what is a find. */
  feed: (bytes: Buffer) => void | Promise<void>
  close?: () => Promise<void>
}

/** Of CPU: the machine may be busy with others. */
const SLOW_MS = 250
const MOST_GROWTH_MIB = 192
/** Connections that one batch holds at a time. */
const BATCH = 100
const MOST_FINDS = 10

/** Swallows the errors that a reader may refuse with. */
function refusing(read: (bytes: Buffer) => unknown, isRefusal: (error: unknown) => boolean): Target['feed'] {
  return (bytes) => {
    try {
      read(bytes)
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }
}

const isParseError = (error: unknown): boolean => error instanceof CertificateParseError
/** Go's texts, by their first word. */
const isGoText = (error: unknown): boolean =>
  isParseError(error) || (error instanceof Error && /^(tls|x509|asn1): /.test(error.message))

async function targets(): Promise<Record<string, Target>> {
  const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) }
  const ca = await issue({ commonName: 'kubernetes', isCa: true, ...validity })
  const leaf = await issue(
    { commonName: 'x', organizations: ['a', 'b'], dnsNames: ['x.test'], ipAddresses: ['127.0.0.1'], ...validity },
    ca,
  )
  const pair = { cert: leaf.certificate, key: leaf.privateKey }
  const ders = [ca, leaf].flatMap(({ certificate }) => certificatesFromPem(certificate))
  const crl = pemBlocks(
    await revocationList(ca, [1n, 2n ** 70n], { thisUpdate: validity.notBefore, nextUpdate: validity.notAfter }),
  )
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs1', format: 'pem' })
  const hellos = [
    helloRecord(),
    helloRecord({ extensions: [SNI('etcd-1'), ALPN('h2', 'http/1.1')] }),
    helloRecord({ suites: [0xc02b, 0xff], extensions: [VERSIONS_OFFERED(0x0303, 0x0302)] }),
    Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n'),
  ]
  const terms = { policy: GO_DEFAULT_POLICY, alpn: ['h2'], servingKey: () => 'P-256' as const }
  const readHello = (bytes: Buffer): void => {
    const first = readFirstBytes(bytes)
    if (first.kind === 'hello') answerHello(first.hello, terms)
    else if (first.kind === 'more' && first.atLeast <= bytes.length) throw new Error('wants bytes that it has')
  }
  const capture = Buffer.concat([
    sectionHeader('fuzz'),
    interfaceDescription('wire', 'a link'),
    nameResolution([{ address: '127.0.0.1', name: 'etcd-1' }]),
    decryptionSecrets('CLIENT_RANDOM 00 11\n'),
    ...enhancedPacket(1, Buffer.from('4500002800004000400600007f0000017f000001', 'hex'), Buffer.alloc(40, 1), 'said'),
  ])
  return {
    hello: { seeds: hellos, feed: readHello },
    handshake: { seeds: hellos, feed: (bytes) => void readTlsHandshake(bytes, bytes) },
    certificate: { seeds: ders, isDer: true, feed: refusing(parseCertificate, isParseError) },
    crl: { seeds: crl.map(({ der }) => der), isDer: true, feed: refusing(parseRevocationList, isGoText) },
    'ca-file': {
      seeds: [Buffer.from(ca.certificate + leaf.certificate)],
      feed: (bytes) => void certPool(bytes.toString('latin1')),
    },
    'key-file': {
      seeds: [Buffer.from(leaf.privateKey), Buffer.from(rsa as string)],
      feed: refusing((bytes) => servingKeyOf({ ...pair, key: bytes.toString('latin1') }), isGoText),
    },
    'cert-file': {
      seeds: [Buffer.from(leaf.certificate)],
      feed: refusing((bytes) => servingKeyOf({ ...pair, cert: bytes.toString('latin1') }), isGoText),
    },
    capture: { seeds: [capture], feed: refusing(readCapture, (error) => error instanceof CaptureError) },
    'port-request': await port(hellos, pair, { mode: 'request', caPem: () => ca.certificate }),
    ...(await etcdPorts()),
    'port-require': await port(hellos, pair, { mode: 'require', caPem: () => ca.certificate, verify: () => undefined }),
  }
}

/** A listener that gets each input on a connection of its own, and is dropped in the middle of whatever it then does. */
async function port(seeds: Buffer[], pair: KeyPair, clientCertificates: ClientCertificates): Promise<Target> {
  const listener: Listener = await listenTls({
    address: '127.0.0.1',
    port: 0,
    policy: GO_DEFAULT_POLICY,
    keyPair: () => pair,
    clientCertificates,
    alpn: ['h2', 'http/1.1'],
    plainHttp: 'http-400',
    handshakeTimeoutMs: 2000,
    onConnection: (socket) => socket.destroy(),
  })
  const feed = async (bytes: Buffer): Promise<void> => {
    const socket = connect({ host: listener.address, port: listener.port })
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    socket.once('data', () => socket.resetAndDestroy())
    socket.end(bytes)
    await closed
  }
  return { seeds, feed, close: () => listener.close() }
}

function input(random: Random, { seeds, isDer }: Target): Buffer {
  if (random.chance(0.05)) return random.bytes(random.below(300))
  let bytes = random.pick(seeds)
  if (isDer && random.chance(0.6)) return mutateTree(random, bytes)
  for (let times = 1 + random.below(4); times > 0; times--) bytes = mutateBytes(random, bytes)
  return random.chance(0.05) ? Buffer.concat([bytes, random.pick(seeds)]) : bytes
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** How many finds there were. */
async function run(name: string, target: Target, count: number, seed: number): Promise<number> {
  const random = new Random(seed)
  const before = process.memoryUsage().rss
  const began = performance.now()
  let finds = 0
  const one = async (bytes: Buffer): Promise<number> => {
    const start = cpuMs()
    try {
      const pending = target.feed(bytes)
      if (pending) await pending
      if (pending) return 0
      const spent = cpuMs() - start
      if (spent > SLOW_MS) throw new Error(`took ${Math.round(spent)} ms of CPU`)
    } catch (error) {
      console.log(JSON.stringify({ target: name, seed, error: String(error), bytes: bytes.toString('base64') }))
      return 1
    }
    return 0
  }
  for (let done = 0; done < count && finds < MOST_FINDS; done += BATCH) {
    const inputs = Array.from({ length: Math.min(BATCH, count - done) }, () => input(random, target))
    for (const found of await Promise.all(inputs.map(one))) finds += found
  }
  const grownMib = Math.round((process.memoryUsage().rss - before) / 2 ** 20)
  if (grownMib > MOST_GROWTH_MIB) {
    finds++
    console.log(JSON.stringify({ target: name, seed, error: `memory grew by ${grownMib} MiB` }))
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    `fuzz:inputs ${name}: ${count} inputs in ${seconds} s, ${finds} finds, memory ${grownMib >= 0 ? '+' : ''}${grownMib} MiB`,
  )
  return finds
}

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
})
const wanted = values.only.split(',').filter(Boolean)
let finds = 0
for (const [name, target] of Object.entries(await targets())) {
  if (wanted.length === 0 || wanted.includes(name))
    finds += await run(name, target, Number(values.count), Number(values.seed))
  await target.close?.()
}
process.exitCode = finds > 0 ? 1 : 0

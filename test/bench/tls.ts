/**
 * Our listener beside a plain Node server, each a process of its own: handshakes a second and CPU of the server for each, at
 * both TLS versions, with a client certificate; and how long one verification takes. Run by hand:
 * `node dist/test/bench/tls.js [handshakes] [rounds]`. Rounds are interleaved, the median counts; under load by neighbours
 * only the CPU figures and their ratio mean anything.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createSecureContext, createServer, type SecureContext, type SecureVersion } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { listenTls, type ClientCertificates, type KeyPair } from '../../lib/tls/listen.ts'
import { GO_DEFAULT_POLICY } from '../../lib/tls/policy.ts'
import { answerToClientChain } from '../../lib/x509/handshake-answer.ts'
import { issue } from '../../lib/x509/issue.ts'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import { certPool } from '../../lib/x509/pool.ts'
import { verify } from '../../lib/x509/verify.ts'

const ADDRESS = '127.0.0.1'
const KINDS = ['plain Node', 'ours, request', 'ours, require'] as const
type Kind = (typeof KINDS)[number]

interface Pki {
  caPem: string
  server: KeyPair
  client: KeyPair
}

if (process.argv[2] === 'serve') process.once('message', (pki: Pki) => void serve(process.argv[3] as Kind, pki))
else await bench(Number(process.argv[2] ?? 200), Number(process.argv[3] ?? 7))

async function serve(kind: Kind, { caPem, server: pair }: Pki): Promise<void> {
  process.on('message', () => process.send?.(process.cpuUsage()))
  const roots = certPool(caPem)
  if (kind === 'plain Node') {
    const plain = createServer({ ...pair, ca: caPem, requestCert: true, rejectUnauthorized: false }, (socket) => {
      socket.on('error', () => {})
      socket.end('hello')
    })
    plain.listen(0, ADDRESS, () => process.send?.((plain.address() as { port: number }).port))
    return
  }
  const clientCertificates: ClientCertificates =
    kind === 'ours, request'
      ? { mode: 'request', caPem: () => caPem }
      : {
          mode: 'require',
          caPem: () => caPem,
          verify: ({ peerChain }) => {
            const options = { mode: 'require', version: 'TLSv1.3', roots, time: new Date() } as const
            const answer = answerToClientChain(peerChain, options)
            return answer.ok ? undefined : { alert: answer.alert, code: answer.code, text: answer.error }
          },
        }
  const { port } = await listenTls({
    address: ADDRESS,
    port: 0,
    policy: GO_DEFAULT_POLICY,
    keyPair: () => pair,
    clientCertificates,
    alpn: ['h2', 'http/1.1'],
    plainHttp: 'close',
    onConnection: (socket) => socket.end('hello'),
  })
  process.send?.(port)
}

async function bench(handshakes: number, rounds: number): Promise<void> {
  const pki = await makePki()
  const servers = await Promise.all(KINDS.map((kind) => start(kind, pki)))
  const context = createSecureContext({ cert: pki.client.cert, key: pki.client.key })
  const rows: { version: SecureVersion; kind: Kind; cpuMs: number; perSecond: number }[] = []
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const cpu = KINDS.map((): number[] => [])
    const rate = KINDS.map((): number[] => [])
    for (const { port } of servers) await visits(port, version, context, handshakes)
    for (let round = 0; round < rounds; round++) {
      for (const [index, server] of servers.entries()) {
        const before = await cpuMs(server.child)
        const began = performance.now()
        await visits(server.port, version, context, handshakes)
        rate[index]!.push(handshakes / ((performance.now() - began) / 1000))
        cpu[index]!.push(((await cpuMs(server.child)) - before) / handshakes)
      }
    }
    for (const [index, kind] of KINDS.entries()) {
      rows.push({ version, kind, cpuMs: median(cpu[index]!), perSecond: median(rate[index]!) })
    }
  }
  for (const { child } of servers) child.kill()
  for (const { version, kind, cpuMs: spent, perSecond } of rows) {
    const plain = rows.find((row) => row.version === version && row.kind === 'plain Node')!
    const more = `${Math.round((spent / plain.cpuMs - 1) * 100)} %`
    console.log(
      `${version} ${kind.padEnd(14)} ${spent.toFixed(2)} CPU-ms each (${more}), ${Math.round(perSecond)} a second`,
    )
  }
  console.log(`verification, two links, warm pool: ${verificationMs(pki).toFixed(4)} ms`)
}

async function makePki(): Promise<Pki> {
  const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) }
  const ca = await issue({ commonName: 'kubernetes', isCa: true, ...validity })
  const server = await issue({ commonName: 's', usages: ['serverAuth'], ipAddresses: [ADDRESS], ...validity }, ca)
  const client = await issue(
    { commonName: 'c', organizations: ['system:nodes'], usages: ['clientAuth'], ...validity },
    ca,
  )
  const pair = ({ certificate, privateKey }: typeof ca): KeyPair => ({ cert: certificate, key: privateKey })
  return { caPem: ca.certificate, server: pair(server), client: pair(client) }
}

async function start(kind: Kind, pki: Pki): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve', kind], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.send(pki)
  const [port] = (await once(child, 'message')) as [number]
  return { child, port }
}

async function cpuMs(child: ChildProcess): Promise<number> {
  child.send('cpu')
  const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return (user + system) / 1000
}

async function visits(
  port: number,
  version: SecureVersion,
  secureContext: SecureContext,
  count: number,
): Promise<void> {
  for (let done = 0; done < count; done++) {
    const options = { host: ADDRESS, port, secureContext, minVersion: version, maxVersion: version }
    const socket = connect({ ...options, rejectUnauthorized: false }).resume()
    await once(socket, 'close')
  }
}

/** Median of one verification of a leaf and its CA: parsed once, verified anew each time. */
function verificationMs({ caPem, client }: Pki): number {
  const roots = certPool(caPem)
  const times: number[] = []
  for (let i = 0; i < 500; i++) {
    const began = performance.now()
    const chain = certificatesFromPem(client.cert).map(parseCertificate)
    const verdict = verify(chain, { roots, time: new Date(), usage: 'clientAuth' })
    times.push(performance.now() - began)
    if (!verdict.ok) throw new Error(verdict.error)
  }
  return median(times)
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** The ports of a member, with TLS or without, as the URL's scheme says. */
import { readFileSync } from 'node:fs'
import { witness } from '../../lib/cluster/witness.ts'
import { listenAddresses, type Place } from '../../lib/cluster/place.ts'
import { listenPlain } from '../../lib/tls/plain.ts'
import { listenTls, type KeyPair, type Listener, type TlsConnection } from '../../lib/tls/listen.ts'
import type { Refusal } from '../../lib/tls/refusal.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'
import { parseCertificate, type Certificate } from '../../lib/x509/parse.ts'
import { nameToString } from '../../lib/x509/name.ts'
import { handshakeVerifier, POLICY_TEXT, revocationProblem, withRevocation } from './client-certificates.ts'
import { hostOf, portOf, type TlsFiles } from './config.ts'
import type { Caller } from './grpc/call.ts'
import type { GrpcServer } from './grpc/server.ts'
import { connectionServer, type ServeConnection } from './http/connection-server.ts'
import type { HttpServer } from './http/http-request.ts'
import { log } from './log.ts'
import { sourceAddressProblem } from './peer/source-address.ts'
import { checkTlsFiles, readTlsFile } from './tls-files.ts'

export interface PortOptions {
  url: URL
  place: Place
  kind: 'client' | 'peer' | 'metrics'
  tls: TlsFiles
  policy: TlsPolicy
  grpc?: GrpcServer
  /** Absent on a port that speaks gRPC alone. */
  http?: HttpServer
  cors: readonly string[]
  maxConcurrentStreams: number
}

const HANDSHAKE_TIMEOUT_MS = 10_000

/** `PRI * HTTP/2.0`: how plain HTTP/2 says that it is that. */
const PREFACE = 'PRI'

/** @throws Error with Go's text, such as `open /x: no such file or directory`. */
export async function listenOn(options: PortOptions): Promise<Listener[]> {
  const { url, place } = options
  const host = url.hostname === 'localhost' ? '127.0.0.1' : hostOf(url)
  const { grpc, http, cors, maxConcurrentStreams } = options
  const serve = connectionServer({ isSecure: url.protocol === 'https:', grpc, http, cors, maxConcurrentStreams })
  const listeners: Listener[] = []
  for (const address of listenAddresses(place, host)) {
    const listener =
      url.protocol === 'https:' ? await overTls(options, address, serve) : await plain(options, address, serve)
    witness({ about: 'listener', decision: 'open', local: `${listener.address}:${listener.port}` })
    listeners.push(listener)
  }
  return listeners
}

async function plain({ url }: PortOptions, address: string, serve: ServeConnection): Promise<Listener> {
  return listenPlain({
    address,
    port: portOf(url),
    onConnection: (socket, connection) => {
      witness({ about: 'connection', decision: 'allow', ...connection })
      socket.once('readable', () => {
        const first = socket.read() as Buffer | null
        if (first === null) return void socket.destroy()
        socket.unshift(first)
        serve(socket, connection, first.subarray(0, 3).toString('latin1') === PREFACE)
      })
      socket.on('error', () => {})
    },
  })
}

async function overTls(options: PortOptions, address: string, serve: ServeConnection): Promise<Listener> {
  const { url, tls, policy, kind } = options
  if (kind === 'client') checkHttp2Suites(policy.cipherSuites)
  checkTlsFiles(tls)
  const caPem = tls.trustedCaFile ? readTlsFile(tls.trustedCaFile) : undefined
  // gRPC alone does its own handshake: a revoked certificate is refused within it, and nothing is logged (recorded).
  const isGrpcAlone = kind === 'client' && options.http === undefined
  const verify = isGrpcAlone ? withRevocation(tls, caPem) : handshakeVerifier(tls, caPem)
  const rejected = (error: string, connection: TlsConnection, leaf?: Certificate): void => {
    if (isGrpcAlone) return
    log('warn', `rejected connection on ${kind === 'peer' ? 'peer' : 'client'} endpoint`, {
      'remote-addr': connection.remote,
      'server-name': connection.serverName ?? '',
      ...(leaf ? { 'ip-addresses': leaf.ipAddresses, 'dns-names': leaf.dnsNames } : {}),
      error,
    })
  }
  return listenTls({
    address,
    port: portOf(url),
    policy,
    // Read for each connection: certificates rotate without a restart, the CA file does not.
    keyPair: () => keyPairOf(tls),
    clientCertificates: verify ? { mode: 'require', verify, caPem: () => caPem } : { mode: 'none' },
    // HTTP/1.1 alone is offered by many and named by none, on either port, as recorded.
    alpn: ['h2'],
    plainHttp: 'close',
    handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    onConnection: (socket, connection) => {
      const problem = isGrpcAlone
        ? undefined
        : (sourceProblem(options, connection) ?? revocationProblem(tls, connection))
      const caller = callerOf(connection, verify !== undefined)
      if (problem) {
        rejected(problem, connection, leafOf(connection))
        witness({
          about: 'certificate',
          decision: 'refuse',
          ...caller,
          layer: 'tls-alert',
          code: 'close_notify',
          text: problem,
        })
        return void socket.end()
      }
      witness({ about: 'connection', decision: 'allow', ...caller })
      serve(socket, caller, connection.alpn === 'h2')
    },
    onRefusal: (refusal, connection) => {
      // Go remembers a chain once it is verified, so that only a refusal after that can name what the leaf says.
      rejected(refusal.message, connection, refusal.message === POLICY_TEXT ? leafOf(connection) : undefined)
      if (isOurs(refusal)) {
        const facts = { local: connection.local, remote: connection.remote, layer: refusal.layer!, code: refusal.code }
        witness({
          about: 'certificate',
          decision: 'refuse',
          ...facts,
          text: refusal.message,
          ...identityOf(connection),
        })
      }
    },
  })
}

/** A client that rejected us said so with an alert: that is its word, not this member's. */
function isOurs(refusal: Refusal): boolean {
  return refusal.layer !== undefined && !refusal.message.startsWith('remote error')
}

function callerOf(connection: TlsConnection, isVerified: boolean): Caller {
  const { local, remote } = connection
  const leaf = isVerified ? leafOf(connection) : undefined
  return { local, remote, ...identityOf(connection), ...(leaf ? { commonName: leaf.subject.commonName } : {}) }
}

function identityOf(connection: TlsConnection): { identity?: string; serial?: string } {
  const leaf = leafOf(connection)
  if (!leaf) return {}
  return { identity: leaf.subject.commonName || nameToString(leaf.subject), serial: leaf.serialNumber.toString(16) }
}

/** On the peer port a certificate has to cover the address that it is shown from. */
function sourceProblem({ kind, tls }: PortOptions, connection: TlsConnection): string | undefined {
  const leaf = kind === 'peer' && !tls.skipsSourceCheck ? leafOf(connection) : undefined
  return leaf && sourceAddressProblem(leaf, connection.remote.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))
}

/** Undefined where none was shown, or none that can be read. */
function leafOf({ peerChain }: TlsConnection): Certificate | undefined {
  try {
    return peerChain[0] && parseCertificate(peerChain[0])
  } catch {
    return undefined
  }
}

function keyPairOf({ certFile, keyFile }: TlsFiles): KeyPair | undefined {
  try {
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  } catch {
    return undefined
  }
}

const HTTP2_SUITES = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']

/** golang.org/x/net/http2, ConfigureServer (RFC 9113 section 9.2.2). */
function checkHttp2Suites(suites: readonly string[] | undefined): void {
  if (!suites || HTTP2_SUITES.some((suite) => suites.includes(suite))) return
  const text = `http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of ${HTTP2_SUITES.join(' or ')})`
  throw new Error(text)
}

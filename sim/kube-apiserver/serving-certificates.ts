/**
 * Which certificate a client is shown: apiserver/pkg/server/options/serving.go (files, or a pair that the server makes),
 * apiserver/pkg/server/tlsconfig.go and dynamiccertificates/named_certificates.go (by the name that the client asks for).
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from '../../lib/cluster/place.ts'
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import type { KeyPair } from '../../lib/tls/listen.ts'
import { parseCertificate } from '../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import { keyPairFiles } from './credential-files.ts'
import { DEFAULT_SERVICE_RANGE, firstServiceAddress, StartRefusal } from './options.ts'

const SERVICE_NAMES = ['kubernetes.default.svc', 'kubernetes.default', 'kubernetes']
/** The server's own connection to itself asks for this name. */
const LOOPBACK_NAME = 'apiserver-loopback-client'

export interface ServingAddresses {
  advertised: string
  /** --bind-address. */
  bound: string
}

type PairOf = (serverName: string | undefined) => KeyPair | undefined

/** Throws a StartRefusal for what cannot be served. */
export async function servingCertificates(flags: FlagSet, place: Place, addresses: ServingAddresses): Promise<PairOf> {
  const [cert, key] = [flags.string('tls-cert-file'), flags.string('tls-private-key-file')]
  if ((cert === '') !== (key === '')) throw new StartRefusal('missing filename for serving cert')
  const main = cert === '' ? await selfMade(flags, place, addresses) : keyPairFiles(cert, key)
  const named = namedPairs(flags.list('tls-sni-cert-key'))
  let loopback: KeyPair | undefined
  const { selfSigned } = await import('../../lib/x509/self-signed.ts')
  return (serverName) => {
    const name = serverName?.toLowerCase() ?? ''
    if (name === LOOPBACK_NAME) return (loopback ??= selfSigned(LOOPBACK_NAME))
    const pair = named.get(name) ?? named.get(name.replace(/^[^.]*/, '*')) ?? main
    return pair()
  }
}

/** Pairs by the names they serve; of two for one name the one that says it, else the first. */
function namedPairs(entries: readonly string[]): Map<string, () => KeyPair> {
  const named = new Map<string, () => KeyPair>()
  const implicit: [names: string[], pair: () => KeyPair][] = []
  for (const entry of entries.toReversed()) {
    const [files = '', names = ''] = entry.split(':')
    const [cert = '', key = ''] = files.split(',')
    const pair = keyPairFiles(cert, key, 'failed to load SNI cert and key: ')
    if (names === '') implicit.push([namesOf(pair()), pair])
    else for (const name of names.split(',')) named.set(name.toLowerCase(), pair)
  }
  const explicit = new Set(named.keys())
  for (const [names, pair] of implicit) for (const name of names) if (!explicit.has(name)) named.set(name, pair)
  return named
}

/** The common name where it looks like a host's, and the DNS names. */
function namesOf({ cert }: KeyPair): string[] {
  const [der] = certificatesFromPem(cert)
  if (!der) return []
  const { subject, dnsNames, ipAddresses } = parseCertificate(der)
  const isHost = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(subject.commonName)
  return [...(isHost ? [subject.commonName] : []), ...dnsNames.map((name) => name.toLowerCase()), ...ipAddresses]
}

/** The pair in --cert-dir, made where there is none. In a range it stays in memory unless the flag says where to keep it. */
async function selfMade(flags: FlagSet, place: Place, { advertised, bound }: ServingAddresses): Promise<() => KeyPair> {
  const folder = flags.string('cert-dir')
  const keeps = folder !== '' && (place.face === undefined || flags.isSet('cert-dir'))
  const [cert, key] = [join(folder, 'apiserver.crt'), join(folder, 'apiserver.key')]
  if (keeps && existsSync(cert) && existsSync(key)) return keyPairFiles(cert, key)
  const { selfSigned } = await import('../../lib/x509/self-signed.ts')
  const isWildcard = bound === '' || bound === '0.0.0.0' || bound === '::'
  const pair = selfSigned(advertised, {
    dnsNames: [...SERVICE_NAMES, ...(isWildcard ? ['localhost'] : [])],
    ipAddresses: [
      firstServiceAddress(flags.string('service-cluster-ip-range') || DEFAULT_SERVICE_RANGE),
      ...(isWildcard ? [] : [bound]),
    ],
  })
  if (!keeps) {
    klog('I', 'serving.go:386', 'Generated self-signed cert in-memory')
    return () => pair
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 })
    writeFileSync(cert, pair.cert, { mode: 0o644 })
    writeFileSync(key, pair.key, { mode: 0o600 })
  } catch (error) {
    throw new StartRefusal(`error creating self-signed certificates: ${(error as Error).message}`)
  }
  klog('I', 'serving.go:380', `Generated self-signed cert (${cert}, ${key})`)
  return keyPairFiles(cert, key)
}

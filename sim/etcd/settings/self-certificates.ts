/** `--auto-tls` and `--peer-auto-tls`: pairs in the data directory, for ports that were given none (server/embed/config.go). */
import { join } from 'node:path'
import { hostOf, type EtcdSettings, type TlsFiles } from '../config.ts'
import { fatal, log } from '../log.ts'
import { selfCertificate } from '../self-cert.ts'

/** The settings with the pairs in place: a port that made its own asks nobody for a certificate. */
export function withSelfCertificates(settings: EtcdSettings): EtcdSettings {
  const { peer, client, listenPeerUrls, listenClientUrls, listenClientHttpUrls } = settings
  return {
    ...settings,
    peer: filesOf('peer', peer, listenPeerUrls, settings),
    client: filesOf('client', client, [...listenClientUrls, ...listenClientHttpUrls], settings),
  }
}

function filesOf(
  side: 'client' | 'peer',
  files: TlsFiles,
  urls: readonly URL[],
  { dataDir, selfCertYears }: EtcdSettings,
): TlsFiles {
  if (!files.isAuto) return files
  if (files.certFile !== '' || files.keyFile !== '') {
    log('warn', `ignoring ${side} auto TLS since certs given`)
    return { ...files, isAuto: false }
  }
  const folder = join(dataDir, 'fixtures', side)
  try {
    const hosts = urls.map(hostOf)
    const pair = selfCertificate({ folder, hosts, years: selfCertYears, forClients: side === 'peer' })
    return {
      ...pair,
      isAuto: true,
      trustedCaFile: '',
      clientCertAuth: false,
      crlFile: '',
      gatewayCertFile: '',
      gatewayKeyFile: '',
      allowedHostname: '',
      allowedCns: [],
    }
  } catch (error) {
    log('warn', 'cannot generate cert', { error: (error as Error).message })
    fatal('discovery failed', { error: (error as Error).message })
  }
}

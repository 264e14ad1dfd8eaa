/** What the log says of an orderly end (server/embed/etcd.go, Close): to those who served, the end of a listener is an error. */
import type { EtcdSettings } from './config.ts'
import { log } from './log.ts'

const CLOSED = 'use of closed network connection'
const ENDED = 'setting up serving from embedded etcd failed.'

/** Clients are turned away, the lead is handed over, and the last line tells the end of `close`. */
export async function closeAloud(
  settings: EtcdSettings,
  { handOver, close }: { handOver: () => Promise<void>; close: () => Promise<void> },
): Promise<void> {
  const { name, dataDir, listenClientUrls, listenPeerUrls, initialAdvertisePeerUrls, advertiseClientUrls } = settings
  const member = {
    name,
    'data-dir': dataDir,
    'advertise-peer-urls': initialAdvertisePeerUrls,
    'advertise-client-urls': advertiseClientUrls,
  }
  log('info', 'closing etcd server', member)
  for (const { protocol, host } of listenClientUrls) {
    const kind = protocol === 'https:' ? 'secure' : 'insecure'
    const error = `accept tcp ${host}: ${CLOSED}`
    log('warn', `stopping ${kind} grpc server due to error`, { error })
  }
  await handOver()
  for (const { protocol, host } of listenClientUrls) {
    const kind = protocol === 'https:' ? 'secure' : 'insecure'
    const error = `accept tcp ${host}: ${CLOSED}`
    log('warn', `stopped ${kind} grpc server due to error`, { error })
    log('error', ENDED, { error })
  }
  for (const { host } of listenPeerUrls) {
    log('info', 'stopping serving peer traffic', { address: host })
    log('error', ENDED, { error: `accept tcp ${host}: ${CLOSED}` })
    log('info', 'stopped serving peer traffic', { address: host })
  }
  await close()
  log('info', 'closed etcd server', member)
}

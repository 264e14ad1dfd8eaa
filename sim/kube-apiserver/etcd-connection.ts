/** kube-apiserver's way to etcd: the client that the flags ask for, and the first contact. */
import { witnessCanaries } from '../../lib/cluster/canary-witness.ts'
import { dialFrom } from '../../lib/cluster/place.ts'
import type { Place } from '../../lib/cluster/place.ts'
import { witness } from '../../lib/cluster/witness.ts'
import { etcdClient } from '../../lib/etcd/client.ts'
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { Refusal } from '../../lib/tls/refusal.ts'
import { keyPairFiles, readText, watchedText } from './credential-files.ts'
import { StartRefusal } from './options.ts'
import type { EtcdValues } from './storage/etcd-values.ts'

/** How long etcd may be unreachable at start (storagebackend/factory: 20 s). */
export const ETCD_START_MS = 20_000
const ETCD_RETRY_MS = 50

export function etcdOf(flags: FlagSet, place: Place): ReturnType<typeof etcdClient> {
  const before = 'error creating storage factory: '
  const [cert, key, ca] = [flags.string('etcd-certfile'), flags.string('etcd-keyfile'), flags.string('etcd-cafile')]
  if ((cert === '') !== (key === '')) {
    throw new StartRefusal(`${before}KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`)
  }
  const keyPair = cert === '' ? undefined : keyPairFiles(cert, key, before)
  const caPem = ca === '' ? undefined : watchedText(ca, readText(ca, before))
  const endpoints = flags.list('etcd-servers')
  const from = dialFrom(place, new URL(endpoints[0] ?? 'http://127.0.0.1').hostname)
  return etcdClient({
    endpoints,
    ...(from !== undefined && { localAddress: from }),
    ...(keyPair && { keyPair }),
    ...(caPem && { caPem }),
    onMessage: witnessCanaries,
    onRefusal: ({ layer, code, message, details }) => {
      // What etcd refuses, etcd says; a server that this end did not take is this end's word.
      if (layer !== 'cert-verify' || !details.local || !details.remote) return
      const { local, remote } = details
      witness({ about: 'certificate', decision: 'refuse', local, remote, layer, code, text: message })
    },
  })
}

/** The first contact with etcd; a member that comes up late is waited for. */
export async function reachEtcd(values: EtcdValues, prefix: string): Promise<void> {
  const until = performance.now() + ETCD_START_MS
  let last = ''
  for (;;) {
    try {
      await values.range({ start: `${prefix}/health` })
      return
    } catch (error) {
      const { message } = error as Error
      if (error instanceof Refusal) witnessRefusal(error)
      const said = `[core] grpc: addrConn.createTransport failed to connect. Err: connection error: desc = "transport: ${message}"`
      if (message !== last) klog('W', 'logging.go:55', said)
      last = message
    }
    if (performance.now() > until) throw new StartRefusal('error creating storage factory: context deadline exceeded')
    await new Promise((resolve) => setTimeout(resolve, ETCD_RETRY_MS))
  }
}

/** What this end found wrong with etcd's certificate, or etcd with this end's. */
function witnessRefusal({ layer, code, message, details }: Refusal): void {
  if (!layer || layer === 'tcp') return
  witness({
    about: layer === 'cert-verify' ? 'certificate' : 'connection',
    decision: 'refuse',
    layer,
    code,
    text: message,
    ...(details.local !== undefined && { local: details.local }),
    ...(details.remote !== undefined && { remote: details.remote }),
  })
}

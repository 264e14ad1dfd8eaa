/** A component's client of kube-apiserver, in its place on the range's network, and what crosses it as a witness sees it. */
import { KubeClient, type Exchange } from '../kube/client.ts'
import type { Kubeconfig } from '../kube/kubeconfig.ts'
import { witnessCanaries } from './canary-witness.ts'
import { dialFrom, type Place } from './place.ts'
import { isWitnessed, witness } from './witness.ts'

export interface ApiClientOptions {
  kubeconfig: Kubeconfig
  place: Place
  /** `kube-scheduler/v1.36.3` */
  userAgent: string
  timeoutMs?: number
  onExchange?: (exchange: Exchange) => void
}

/** A canary's longest form may be cut in two by the end of a piece. */
const SEAM = 35
const MOST_SEAMS = 256

export function apiClient({ kubeconfig, place, ...options }: ApiClientOptions): KubeClient {
  const localAddress = dialFrom(place, new URL(kubeconfig.cluster.server).hostname)
  const seams = new Map<string, string>()
  return new KubeClient({
    kubeconfig,
    ...options,
    ...(localAddress === undefined ? {} : { localAddress }),
    onRefusal: ({ layer, code, message, details }) => {
      // What a server refuses, the server says; a server that this end did not take is this end's word.
      const isOurs = layer === 'cert-verify' || (layer === 'tls-alert' && details.who === 'us')
      if (!isOurs || !details.local || !details.remote) return
      const { local, remote } = details
      witness({
        about: layer === 'cert-verify' ? 'certificate' : 'connection',
        decision: 'refuse',
        local,
        remote,
        layer,
        code,
        text: message,
      })
    },
    onBytes: (bytes, ends) => {
      if (!isWitnessed) return
      const text = (seams.get(ends.local) ?? '') + bytes
      witnessCanaries(text, ends)
      if (!seams.has(ends.local) && seams.size >= MOST_SEAMS) seams.clear()
      seams.set(ends.local, text.slice(-SEAM))
    },
  })
}

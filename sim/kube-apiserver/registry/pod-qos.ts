/** How much of its resources a Pod is promised: pkg/apis/core/helper/qos/qos.go. */
import type { PodSpec } from './pods.ts'

const COUNTED = ['cpu', 'memory']

export function qosClass(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  const asked = containers.map(({ resources }) => ({
    requests: resources?.requests ?? {},
    limits: resources?.limits ?? {},
  }))
  const counts = asked.some(({ requests, limits }) => COUNTED.some((name) => name in requests || name in limits))
  if (!counts) return 'BestEffort'
  const whole = asked.every(({ requests, limits }) =>
    COUNTED.every((name) => name in limits && (requests[name] ?? limits[name]) === limits[name]),
  )
  return whole ? 'Guaranteed' : 'Burstable'
}

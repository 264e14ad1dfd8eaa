/** A Pod's row in kubectl's table: pkg/printers/internalversion/printers.go (printPod). */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { age, humanDuration } from './human-duration.ts'

interface ContainerState {
  waiting?: { reason?: string }
  terminated?: { reason?: string; signal?: number; exitCode?: number; finishedAt?: string }
  running?: { startedAt?: string }
}

interface ContainerStatus {
  ready?: boolean
  restartCount?: number
  state?: ContainerState
  lastState?: ContainerState
}

interface PodStatus {
  phase?: string
  reason?: string
  podIP?: string
  podIPs?: { ip?: string }[]
  nominatedNodeName?: string
  containerStatuses?: ContainerStatus[]
  initContainerStatuses?: ContainerStatus[]
  conditions?: { type?: string; status?: string; reason?: string }[]
}

const NONE = '<none>'

export function podRow(pod: KubeObject, now: Date): (string | number)[] {
  const {
    containers = [],
    nodeName,
    readinessGates = [],
  } = (pod['spec'] ?? {}) as {
    containers?: unknown[]
    nodeName?: string
    readinessGates?: { conditionType?: string }[]
  }
  const status = (pod['status'] ?? {}) as PodStatus
  const statuses = status.containerStatuses ?? []
  const ready = statuses.filter((each) => each.ready && each.state?.running).length
  const met = readinessGates.filter(({ conditionType }) =>
    status.conditions?.some((each) => each.type === conditionType && each.status === 'True'),
  ).length
  return [
    pod.metadata.name ?? '',
    `${ready}/${containers.length}`,
    reasonOf(pod, status),
    restartsText(statuses, now),
    age(pod.metadata.creationTimestamp, now),
    status.podIPs?.[0]?.ip || status.podIP || NONE,
    nodeName || NONE,
    status.nominatedNodeName || NONE,
    readinessGates.length > 0 ? `${met}/${readinessGates.length}` : NONE,
  ]
}

function restartsText(statuses: readonly ContainerStatus[], now: Date): string {
  const restarts = statuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0)
  const ends = statuses
    .map(({ lastState }) => Date.parse(lastState?.terminated?.finishedAt ?? ''))
    .filter((time) => time > 0)
  if (restarts === 0 || ends.length === 0) return String(restarts)
  return `${restarts} (${humanDuration(now.getTime() - Math.max(...ends))} ago)`
}

function reasonOf(pod: KubeObject, status: PodStatus): string {
  let reason = status.reason || status.phase || ''
  for (const condition of status.conditions ?? []) {
    if (condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated') reason = condition.reason
  }
  const initializing = initReason(status.initContainerStatuses ?? [])
  if (initializing !== undefined) reason = initializing
  else reason = containersReason(status.containerStatuses ?? [], reason)
  if (!pod.metadata.deletionTimestamp) return reason
  if (status.reason === 'NodeLost') return 'Unknown'
  return status.phase === 'Succeeded' || status.phase === 'Failed' ? reason : 'Terminating'
}

function initReason(statuses: readonly ContainerStatus[]): string | undefined {
  const index = statuses.findIndex(({ state }) => state?.terminated?.exitCode !== 0)
  const state = statuses[index]?.state
  if (!state) return undefined
  if (state.terminated) return `Init:${endText(state.terminated)}`
  const waiting = state.waiting?.reason
  return waiting && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${index}/${statuses.length}`
}

// the first container has the last word, and one that runs keeps a finished one from being all that is told
function containersReason(statuses: readonly ContainerStatus[], phase: string): string {
  let reason = phase
  let running = false
  for (const { state, ready } of statuses.toReversed()) {
    if (state?.waiting?.reason) reason = state.waiting.reason
    else if (state?.terminated) reason = endText(state.terminated)
    else if (ready && state?.running) running = true
  }
  return reason === 'Completed' && running ? 'Running' : reason
}

function endText({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  if (reason) return reason
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`
}

/** The condition of a row whose Pod has come to its end. */
export function podRowConditions(pod: KubeObject): object[] | undefined {
  const { phase, reason } = (pod['status'] ?? {}) as PodStatus
  if (phase === 'Succeeded') {
    return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod has completed successfully.' }]
  }
  if (phase !== 'Failed') return undefined
  return [{ type: 'Completed', status: 'True', reason: reason || phase, message: 'The pod failed.' }]
}

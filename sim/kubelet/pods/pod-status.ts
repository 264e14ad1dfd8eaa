/** A Pod's status as its kubelet reports it: pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go. */
import type { Container } from '../container/container.ts'
import type { ContainerSpec, PodSpec } from './pod-spec.ts'

export interface ContainerState {
  spec: ContainerSpec
  container: Container | undefined
  restarts: number
  /** The one that ran before. */
  last?: Container
}

export interface StatusFacts {
  spec: PodSpec
  states: readonly ContainerState[]
  startedAt: Date
  podIp: string
  nodeIp: string
  /** Why containers are not made yet. */
  waiting: { reason: string; message: string } | undefined
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

export function podStatus({ spec, states, startedAt, podIp, nodeIp, waiting }: StatusFacts): Record<string, unknown> {
  const phase = phaseOf(spec, states)
  const ready = phase === 'Running' && states.every(({ container }) => container && container.exitCode === undefined)
  const since = rfc3339(startedAt)
  const condition = (type: string, status: boolean): object => ({
    type,
    status: status ? 'True' : 'False',
    lastProbeTime: null,
    lastTransitionTime: since,
    ...(status ? {} : { reason: 'ContainersNotReady', message: 'containers with unready status' }),
  })
  return {
    phase,
    conditions: [
      condition('PodReadyToStartContainers', phase !== 'Pending'),
      condition('Initialized', true),
      condition('Ready', ready),
      condition('ContainersReady', ready),
      { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: since },
    ],
    hostIP: nodeIp,
    hostIPs: [{ ip: nodeIp }],
    ...(phase === 'Pending' ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: since,
    containerStatuses: states.map((state) => containerStatus(state, waiting)),
  }
}

function phaseOf(spec: PodSpec, states: readonly ContainerState[]): Phase {
  if (states.some(({ container }) => container === undefined)) return 'Pending'
  const codes = states.map(({ container }) => container?.exitCode)
  const { restartPolicy = 'Always' } = spec
  if (restartPolicy === 'Always' || codes.some((code) => code === undefined)) return 'Running'
  if (codes.every((code) => code === 0)) return 'Succeeded'
  return restartPolicy === 'Never' ? 'Failed' : 'Running'
}

function containerStatus(
  { spec, container, restarts, last }: ContainerState,
  waiting: StatusFacts['waiting'],
): Record<string, unknown> {
  const running = container !== undefined && container.exitCode === undefined
  const state = !container
    ? { waiting: waiting ?? { reason: 'ContainerCreating' } }
    : running
      ? { running: { startedAt: rfc3339(container.startedAt) } }
      : { terminated: terminated(container) }
  return {
    name: spec.name,
    state,
    lastState: last ? { terminated: terminated(last) } : {},
    ready: running,
    started: running,
    restartCount: restarts,
    image: spec.image ?? '',
    imageID: '',
    ...(container ? { containerID: container.id } : {}),
  }
}

function terminated(container: Container): Record<string, unknown> {
  const { exitCode = 0, finishedAt = new Date(), startedAt, id } = container
  return {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    startedAt: rfc3339(startedAt),
    finishedAt: rfc3339(finishedAt),
    containerID: id,
  }
}

export function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}

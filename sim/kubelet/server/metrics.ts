/** The few series and numbers that a simulated node has to tell. */
import { specOf } from '../pods/pod-spec.ts'
import type { PodWorker } from '../pods/pod-worker.ts'

export function nodeMetrics(nodeName: string, pods: readonly PodWorker[], version: string): string {
  const containers = pods.reduce((count, { pod }) => count + specOf(pod).containers.length, 0)
  return [
    "# HELP kubelet_node_name [ALPHA] The node's name. The count is always 1.",
    '# TYPE kubelet_node_name gauge',
    `kubelet_node_name{node="${nodeName}"} 1`,
    '# HELP kubelet_running_pods [BETA] Number of pods that have a running pod sandbox',
    '# TYPE kubelet_running_pods gauge',
    `kubelet_running_pods ${pods.length}`,
    '# HELP kubelet_running_containers [BETA] Number of containers currently running',
    '# TYPE kubelet_running_containers gauge',
    `kubelet_running_containers{container_state="running"} ${containers}`,
    "# HELP kubernetes_build_info [ALPHA] A metric with a constant '1' value labeled by version.",
    '# TYPE kubernetes_build_info gauge',
    `kubernetes_build_info{git_version="${version}"} 1`,
    processMetrics(),
  ].join('\n')
}

export function processMetrics(): string {
  return [
    '# HELP process_start_time_seconds [ALPHA] Start time of the process since unix epoch in seconds.',
    '# TYPE process_start_time_seconds gauge',
    `process_start_time_seconds ${(Date.now() / 1000 - process.uptime()).toFixed(2)}`,
    '',
  ].join('\n')
}

export function statsSummary(nodeName: string, pods: readonly PodWorker[]): object {
  const startTime = new Date(Date.now() - process.uptime() * 1000).toISOString()
  return {
    node: { nodeName, startTime, cpu: { time: new Date().toISOString(), usageNanoCores: 0 } },
    pods: pods.map(({ pod, startedAt }) => ({
      podRef: { name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
      startTime: startedAt.toISOString(),
      containers: specOf(pod).containers.map(({ name }) => ({ name, startTime: startedAt.toISOString() })),
    })),
  }
}

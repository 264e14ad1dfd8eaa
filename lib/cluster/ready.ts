/** Asks from outside whether a cluster answers: kube-apiserver by /readyz, kubelets by their Nodes, the others by their Leases. */
import { Refusal } from '../tls/refusal.ts'
import type { Posture } from '../posture/posture.ts'
import type { Launch } from '../posture/render-host.ts'
import { deathOf } from './component-death.ts'
import type { ComponentProcess } from './component-process.ts'
import type { Components } from './components.ts'
import type { Operator } from './operator.ts'

export interface ReadyOptions {
  operator: Operator
  components: Components
  launches: readonly Launch[]
  /** Whose files a component's complaint is looked up in. */
  posture: Posture
  /** Launches that were started at that moment or later: a Lease that was renewed before is their predecessor's. */
  restarted?: { launches: readonly Launch[]; at: Date }
  /** Run once kube-apiserver serves, while the others join. */
  whenServing: () => Promise<void>
  deadlineMs?: number
}

/** Seconds on a busy machine, minutes never. */
const DEADLINE_MS = 60_000
const POLL_MS = 40

/** Components that say by a Lease of their name in kube-system that they lead. */
const LEADERS = ['kube-scheduler', 'kube-controller-manager']

export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const { operator, components, launches } = options
  const end = performance.now() + (options.deadlineMs ?? DEADLINE_MS)
  // A port that a process of before had open says nothing of its successor.
  const opened = launches.map((launch) =>
    until(
      async () => components.hasOpened(launch),
      `${launch.component} on ${launch.host} opens no port`,
      options,
      end,
    ),
  )
  await Promise.all(opened)
  await until(() => isServing(operator), 'kube-apiserver does not answer /readyz with 200', options, end)
  await options.whenServing()
  await Promise.all(
    launches.map(async ({ component, host }) => {
      if (component === 'kubelet')
        await until(() => isNodeReady(operator, host), `node ${host} is not Ready`, options, end)
      if (!LEADERS.includes(component)) return
      const isNew = options.restarted?.launches.some((launch) => launch.component === component)
      const since = isNew ? options.restarted?.at : undefined
      await until(() => leads(operator, component, since), `${component} does not hold its Lease`, options, end)
    }),
  )
}

async function until(
  ask: () => Promise<boolean>,
  otherwise: string,
  { components, launches, posture }: ReadyOptions,
  end: number,
): Promise<void> {
  for (;;) {
    const processes = components.all
    const dead = processes.find(({ exited }) => exited !== undefined)
    if (dead) throw deathOf(dead, launches, posture)
    if (await ask()) return
    if (performance.now() > end) throw new Error(`[cluster_not_ready] ${otherwise}\n${lastWords(processes)}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function lastWords(processes: readonly ComponentProcess[]): string {
  return processes.map((each) => `${each.name}: ${each.lastWords.split('\n').slice(-2).join('\n  ')}`).join('\n')
}

async function isServing(operator: Operator): Promise<boolean> {
  try {
    return (await operator.client.request({ path: '/readyz' })).status === 200
  } catch (error) {
    if (error instanceof Refusal && error.layer === 'cert-verify') throw error
    return false
  }
}

async function isNodeReady(operator: Operator, name: string): Promise<boolean> {
  const node = await operator.find(`/api/v1/nodes/${name}`)
  const conditions =
    (node?.['status'] as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

async function leads(operator: Operator, name: string, since: Date | undefined): Promise<boolean> {
  const lease = await operator.find(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${name}`)
  const { holderIdentity, renewTime } = (lease?.['spec'] ?? {}) as { holderIdentity?: string; renewTime?: string }
  return Boolean(holderIdentity) && (since === undefined || Date.parse(renewTime ?? '') > since.getTime())
}

/**
 * Waits until whoever leads has renewed its Lease since that moment: the whole way to the store is open again, and a client
 * of etcd that was refused has dialled once more. One who could not renew for ten seconds ends, as the real one does.
 */
export async function leadersRenewed(operator: Operator, since: Date, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs
  for (const name of LEADERS) {
    while (performance.now() < end && !(await leads(operator, name, since).catch(() => false)))
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

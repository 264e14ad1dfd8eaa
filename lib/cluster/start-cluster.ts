/** Starts a cluster from a posture: files, network, processes, and the wait until all of it answers from outside. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseKubeconfig } from '../kube/kubeconfig.ts'
import { StatusError } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import type { Posture } from '../posture/posture.ts'
import { issuePostureMaterial, renderClusterObjects, renderHost, type Launch } from '../posture/render-host.ts'
import { parseAllDocuments } from '../settings/yaml.ts'
import { Wire } from '../wire/control.ts'
import { claimOctet, loopbackPlan, type AddressPlan } from './addresses.ts'
import { ATTACKER_HOST, Cluster, hostFolder, keyLogFile, linkKey, type ClusterNeeds } from './cluster.ts'
import { ComponentProcess } from './component-process.ts'
import { nodeCommand, TLS_ENVIRONMENT } from './node-command.ts'
import { collectionPath } from './object-path.ts'
import { Operator } from './operator.ts'
import { waitUntilReady } from './ready.ts'
import { makeRunFolder } from './run-folder.ts'
import type { WitnessLine } from './witness.ts'
import { readFileSync } from 'node:fs'

/** The compiled tree that this file lies in: components are spawned from it by path. */
const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

export interface StartOptions extends Partial<ClusterNeeds> {
  /** Told how long each step took. */
  onStep?: (step: string, milliseconds: number) => void
}

/** @throws Error `[component_died]`, `[cluster_not_ready]`; what had started by then is ended first. */
export async function startCluster(posture: Posture, options: StartOptions = {}): Promise<Cluster> {
  const undo: Array<() => Promise<void>> = []
  try {
    return await start(posture, options, undo)
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => {})
    throw error
  }
}

async function start(posture: Posture, options: StartOptions, undo: Array<() => Promise<void>>): Promise<Cluster> {
  const step = stopwatch(options.onStep)
  const claim = await claimOctet()
  undo.push(() => claim.release())
  const plan = loopbackPlan(claim.octet, [...posture.hosts.map(({ name }) => name), ATTACKER_HOST])
  const run = makeRunFolder()
  undo.push(() => run.remove())
  const [wire, pki] = await Promise.all([
    Wire.start(plan.hosts.map(({ name, face, back }) => ({ name, face, back }))),
    issuePostureMaterial(posture, plan),
  ])
  undo.push(() => wire.stop())
  if (wire.pid) run.watch(wire.pid)
  step('network and certificates')

  const captures = new Map<string, string>()
  for (const link of options.taps ?? []) {
    if (captures.has(linkKey(link))) continue
    const file = join(run.path, `tap-${captures.size + 1}.pcapng`)
    captures.set(linkKey(link), file)
    await wire.tap(link, file)
  }
  const launches = posture.hosts.flatMap(
    ({ name }) => renderHost(posture, name, { addresses: plan, pki, folder: run.path }).launches,
  )
  step('files')

  const witnessed: WitnessLine[] = []
  const listeners = new Map<string, string>()
  const processes = launches.map((launch) => spawnComponent(launch, plan, run.path, options.sessionKeys ?? false))
  undo.push(async () => void (await Promise.all(processes.map((each) => each.kill()))))
  for (const process of processes) {
    run.watch(process.pid)
    process.on('witness', (line) => {
      witnessed.push(line)
      if (line.about === 'listener') void noteListener(line, plan, wire, listeners)
    })
    process.on('exit', () => {
      for (const [key, component] of listeners) {
        const [host = '', port = ''] = key.split(' ')
        if (component !== process.spec.component || host !== process.spec.host) continue
        listeners.delete(key)
        void wire.close(host, Number(port)).catch(() => {})
      }
    })
  }
  step('processes spawned')

  const controlPlane = hostFolder(run.path, controlPlaneOf(posture))
  const admin = ['super-admin.conf', 'admin.conf']
    .map((name) => join(controlPlane, 'etc/kubernetes', name))
    .find(existsSync)
  if (!admin)
    throw new Error(`[posture_admin] posture ${posture.name}: no admin.conf on its control plane to operate it with`)
  const kubeconfig = parseKubeconfig(readFileSync(admin, 'utf8'))
  const operator = new Operator({ kubeconfig, faceOf: (host) => plan.host(host).face })
  undo.push(() => operator.close())
  await waitUntilReady({
    operator,
    processes,
    nodes: launches.filter(({ component }) => component === 'kubelet').map(({ host }) => host),
    whenServing: async () => {
      step('kube-apiserver ready')
      await createObjects(operator, renderClusterObjects(posture, plan))
      step('objects of the posture')
    },
  })
  step('all ready')
  return new Cluster({
    posture,
    plan,
    run,
    wire,
    operator,
    processes,
    witnessed,
    listeners,
    captures,
    apiserver: kubeconfig.cluster.server,
    etcd: etcdServers(launches),
    release: () => claim.release(),
  })
}

function spawnComponent(launch: Launch, plan: AddressPlan, runFolder: string, sessionKeys: boolean): ComponentProcess {
  const { face, back, loop } = plan.host(launch.host)
  const main = join(COMPILED, 'sim', launch.component, 'main.js')
  const keyLog = sessionKeys ? [`--tls-keylog=${keyLogFile(runFolder, launch)}`, '--no-warnings'] : []
  return new ComponentProcess({
    component: launch.component,
    host: launch.host,
    command: nodeCommand([...keyLog, main, ...launch.args], { tls: true }),
    folder: runFolder,
    environment: {
      ...TLS_ENVIRONMENT,
      ...launch.environment,
      MTLS_RANGE_HOST: launch.host,
      MTLS_RANGE_FACE: face,
      MTLS_RANGE_BACK: back,
      MTLS_RANGE_LOOP: loop,
      ...(launch.version ? { MTLS_RANGE_VERSION: `v${launch.version.replace(/^v/, '')}` } : {}),
    },
  })
}

/** The wire listens on a face's port while the host's back does; a host's own loop is nobody else's. */
async function noteListener(
  line: WitnessLine,
  plan: AddressPlan,
  wire: Wire,
  listeners: Map<string, string>,
): Promise<void> {
  const at = line.local?.lastIndexOf(':') ?? -1
  if (at === -1) return
  const address = line.local!.slice(0, at)
  const port = Number(line.local!.slice(at + 1))
  const host = plan.hostAt(address)
  if (host?.back !== address) return
  if (line.decision === 'open') {
    listeners.set(`${host.name} ${port}`, line.component)
    await wire.open(host.name, port)
  } else {
    listeners.delete(`${host.name} ${port}`)
    await wire.close(host.name, port)
  }
}

async function createObjects(operator: Operator, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as KubeObject | null
      if (!object) continue
      try {
        await operator.create(collectionPath(object), object)
      } catch (error) {
        // kube-apiserver's own bootstrap has made it already.
        if (!(error instanceof StatusError && error.status === 409)) throw error
      }
    }
  }
}

function controlPlaneOf(posture: Posture): string {
  const host = posture.hosts.find(({ role }) => role === 'control-plane')
  if (!host) throw new Error(`[posture_control_plane] posture ${posture.name} has no host of role control-plane`)
  return host.name
}

function etcdServers(launches: readonly Launch[]): string[] {
  const flag = '--etcd-servers='
  const args = launches.find(({ component }) => component === 'kube-apiserver')?.args ?? []
  return (args.find((arg) => arg.startsWith(flag))?.slice(flag.length) ?? '').split(',').filter(Boolean)
}

function stopwatch(onStep: StartOptions['onStep']): (step: string) => void {
  let last = performance.now()
  return (step) => {
    const now = performance.now()
    onStep?.(step, now - last)
    last = now
  }
}

/**
 * Turns the text of one host's files into what a run needs: addresses of hosts become their faces, 127.0.0.1 this host's
 * loop, listen addresses its back, and absolute paths of a cluster host lie below the host's folder.
 */
import type { Component } from './component.ts'
import { LOOPBACKS, mapAddresses, type Addressing } from './map-addresses.ts'
import type { Mount } from './manifest.ts'
import type { PostureHost } from './posture-file.ts'

export interface HostMapping {
  host: PostureHost
  hosts: readonly PostureHost[]
  addressing: Addressing
  /** The folder that stands for the host's root. */
  root: string
}

/** Flags whose value is an address or URL to listen on; every other address in a flag is dialled or advertised. */
const LISTEN_FLAGS: Readonly<Record<Component, readonly string[]>> = {
  'kube-apiserver': ['bind-address', 'insecure-bind-address'],
  'kube-controller-manager': ['bind-address', 'address'],
  'kube-scheduler': ['bind-address', 'address'],
  kubelet: ['address', 'healthz-bind-address'],
  etcd: ['listen-client-urls', 'listen-peer-urls', 'listen-metrics-urls', 'listen-client-http-urls'],
}

/** KubeletConfiguration's own. */
const LISTEN_FIELD = /^(address|healthzBindAddress):/

/** Folders of a cluster host that a component reads or writes; paths elsewhere are the machine's and stay. */
const CLUSTER_FOLDERS = [
  '/etc/kubernetes',
  '/etc/cni',
  '/var/lib/kubelet',
  '/var/lib/etcd',
  '/var/lib/kube-apiserver',
  '/var/log/kubernetes',
  '/var/log/pods',
  '/var/run/kubernetes',
  '/run/kubernetes',
  '/usr/libexec/kubernetes',
]

/** One argument of a component's command line, `--name=value`. `mounts` say which host path a container path is. */
export function mapArgument(
  mapping: HostMapping,
  component: Component,
  argument: string,
  mounts: readonly Mount[] = [],
): string {
  const [, name = '', value] = /^--?([^=]+)=(.*)$/s.exec(argument) ?? []
  if (value === undefined) return argument
  const listens = LISTEN_FLAGS[component].includes(name)
  const addressed = mapHostAddresses(mapping, value, listens)
  const own = addressed.replace(/\/\/localhost(?::(\d+))?(?=$|[/,])/g, (_, port?: string) => {
    const loop = mapping.addressing.loop(mapping.host.name, port === undefined ? undefined : Number(port))
    return `//${loop.address}${port === undefined ? '' : `:${loop.port ?? port}`}`
  })
  return argument.slice(0, argument.length - value.length) + mapPaths(mapping.root, own, mounts)
}

/** Any text file of the host. */
export function mapFileText(mapping: HostMapping, text: string): string {
  const isKubelet = /^kind:\s*KubeletConfiguration\s*$/m.test(text)
  const lines = text.split('\n').map((line) => mapHostAddresses(mapping, line, isKubelet && LISTEN_FIELD.test(line)))
  const addressed = lines.join('\n')
  return mapPaths(mapping.root, addressed)
}

function mapHostAddresses({ host, hosts, addressing }: HostMapping, text: string, listens: boolean): string {
  const owners = new Map(hosts.map((each) => [each.address, each.name]))
  return mapAddresses(text, [...owners.keys(), ...LOOPBACKS], (address, port) => {
    const owner = owners.get(address)
    if (owner === undefined) return addressing.loop(host.name, port)
    return listens && owner === host.name ? addressing.back(owner, port) : addressing.face(owner, port)
  })
}

/** Absolute paths at the start of a value, after a separator or after `unix://`; `mounts` come before the folders. */
function mapPaths(root: string, text: string, mounts: readonly Mount[] = []): string {
  const targets = new Map(CLUSTER_FOLDERS.map((folder) => [folder, folder]))
  for (const { mountPath, hostPath } of mounts) {
    if (isClusterPath(hostPath)) targets.set(trimmed(mountPath), trimmed(hostPath))
  }
  const longestFirst = [...targets.keys()].toSorted((one, other) => other.length - one.length)
  const alternatives = longestFirst.map((path) => path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')
  const pattern = new RegExp(`(?<=^|[\\s=,:"'\\[({]|unix://|file://)(${alternatives})(?=$|[\\s/,:"'\\])}])`, 'gm')
  return text.replace(pattern, (path) => root + (targets.get(path) ?? path))
}

/** Whether a path of the posture lies in the host's folder of a run; others are the machine's own. */
export function isClusterPath(path: string): boolean {
  return CLUSTER_FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`))
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path
}

/** posture.yaml: what the posture stands for, its hosts, who may dial whom, and modes of files. See posture.ts. */
import { isIP } from 'node:net'
import { fileMode } from './file-mode.ts'
import { YamlFile, type YamlPath } from './yaml-file.ts'

export interface PostureHost {
  name: string
  role: string
  /** As the posture's files name it. */
  address: string
  /** Counts from 1 in the order of the file: the host's number in an address plan. */
  number: number
}

export interface NetworkRule {
  /** A role or a host's name; `anyone` for every source, strangers too. */
  from: string
  to: string
  /** Empty means every port. */
  ports: number[]
}

export interface FileMode {
  /** A role or a host's name; absent means everywhere. */
  on?: string
  /** Absolute path; `*` stands for any name in one folder, a final `/` means the folder itself. */
  path: string
  mode: number
}

export interface PostureFile {
  title: string
  standsFor: string
  hosts: readonly PostureHost[]
  network: 'everything' | readonly NetworkRule[]
  modes: readonly FileMode[]
}

export function readPostureFile(file: string, text: string): PostureFile {
  const yaml = new YamlFile(file, text)
  yaml.only([], ['title', 'standsFor', 'hosts', 'network', 'files'])
  const hosts = readHosts(yaml)
  const places = new Set(hosts.flatMap((host) => [host.name, host.role]))
  const place = (path: YamlPath, also: readonly string[] = []): string => {
    const name = yaml.string(path)
    const known = [...places, ...also]
    return known.includes(name)
      ? name
      : yaml.fail(path, `no role or host is called ${name}; known are ${known.join(', ')}`)
  }
  return {
    title: yaml.string(['title']),
    standsFor: yaml.string(['standsFor']).trim(),
    hosts,
    network: readNetwork(yaml, place),
    modes: yaml.list(['files']).map((_, index) => readMode(yaml, ['files', index], place)),
  }
}

function readHosts(yaml: YamlFile): PostureHost[] {
  const hosts: PostureHost[] = []
  for (const role of yaml.keys(['hosts'])) {
    for (let index = 0; index < yaml.list(['hosts', role]).length; index++) {
      const path = ['hosts', role, index] as const
      yaml.only(path, ['name', 'address'])
      const name = yaml.string([...path, 'name'])
      const address = yaml.string([...path, 'address'])
      if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) {
        yaml.fail([...path, 'name'], `must be a host name in lower case (RFC 1123), got ${name}`)
      }
      if (!isIP(address)) yaml.fail([...path, 'address'], `must be an IP address, got ${address}`)
      if (hosts.some((host) => host.name === name)) yaml.fail([...path, 'name'], `a second host is called ${name}`)
      if (hosts.some((host) => host.address === address)) {
        yaml.fail([...path, 'address'], `a second host has the address ${address}`)
      }
      hosts.push({ name, role, address, number: hosts.length + 1 })
    }
  }
  if (hosts.length === 0) yaml.fail(['hosts'], 'must name at least one host')
  return hosts
}

type ReadPlace = (path: YamlPath, also?: readonly string[]) => string

function readNetwork(yaml: YamlFile, place: ReadPlace): PostureFile['network'] {
  yaml.only(['network'], ['allow'])
  const allow = yaml.get(['network', 'allow'])
  if (allow === undefined || allow === 'everything') return 'everything'
  return yaml.list(['network', 'allow']).map((_, index) => {
    const path = ['network', 'allow', index] as const
    yaml.only(path, ['from', 'to', 'ports'])
    const ports = yaml.list([...path, 'ports']).map((port, at) => {
      const valid = typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536
      return valid ? port : yaml.fail([...path, 'ports', at], `must be a port, got ${JSON.stringify(port)}`)
    })
    return { from: place([...path, 'from'], ['anyone']), to: place([...path, 'to']), ports }
  })
}

function readMode(yaml: YamlFile, path: YamlPath, place: ReadPlace): FileMode {
  yaml.only(path, ['on', 'path', 'mode'])
  const pattern = yaml.string([...path, 'path'])
  if (!pattern.startsWith('/')) yaml.fail([...path, 'path'], `must be an absolute path, got ${pattern}`)
  const on = yaml.get([...path, 'on']) === undefined ? {} : { on: place([...path, 'on']) }
  return { ...on, path: pattern, mode: fileMode(yaml, [...path, 'mode'], 0o644) }
}

/** The mode of a file or, with a final `/`, of a folder on a host; undefined where nothing is said. */
export function modeOf(
  modes: readonly FileMode[],
  host: Pick<PostureHost, 'name' | 'role'>,
  path: string,
): number | undefined {
  const found = modes.find(({ on, path: pattern }) => {
    if (on !== undefined && on !== host.name && on !== host.role) return false
    const source = pattern.replace(/[.+^${}()|[\]\\?]/g, '\\$&').replaceAll('*', '[^/]*')
    return new RegExp(`^${source}$`).test(path)
  })
  return found?.mode
}

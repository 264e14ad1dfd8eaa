/** Static Pod manifests: what a component is started with, and edits that leave the rest of the file as it stands. */
import { isMap, isScalar, isSeq, parseDocument } from '../settings/yaml.ts'
import { isComponent, type Component } from './component.ts'
import { remembered } from './remembered.ts'
import { PostureError, YAML_STYLE, YamlFile } from './yaml-file.ts'

export interface Mount {
  /** In the container. */
  mountPath: string
  /** On the host. */
  hostPath: string
  /** Whether the kubelet makes the folder where it is missing (`type: DirectoryOrCreate`). */
  create: boolean
}

export interface Manifest {
  component: Component
  /** `registry.k8s.io/kube-apiserver:v1.36.2` */
  image: string
  /** From the image's tag, without `v` and packaging suffix: `1.36.2`, `3.6.8`. Empty without a tag. */
  version: string
  /** What follows the component's name. */
  args: string[]
  environment: Record<string, string>
  mounts: Mount[]
}

interface Container {
  name?: string
  image?: string
  command?: string[]
  args?: string[]
  env?: { name?: string; value?: string }[]
  volumeMounts?: { name?: string; mountPath?: string }[]
}

interface PodObject {
  kind?: string
  spec?: { containers?: Container[]; volumes?: { name?: string; hostPath?: { path?: string; type?: string } }[] }
}

/**
 * Reads a manifest; undefined where it is the Pod of something else, such as a load balancer of one's own.
 *
 * @throws PostureError where it is no Pod, or no YAML.
 */
export function readManifest(file: string, text: string): Manifest | undefined {
  const read = manifests(text)
  if (!('error' in read)) return read.manifest
  throw new PostureError(read.error.code, file, read.error.place, read.error.rule)
}

const manifests = remembered((text): { manifest: Manifest | undefined } | { error: PostureError } => {
  try {
    return { manifest: parseManifest(text) }
  } catch (error) {
    if (error instanceof PostureError) return { error }
    throw error
  }
})

function parseManifest(text: string): Manifest | undefined {
  const yaml = new YamlFile('', text)
  const pod = (yaml.get([]) ?? {}) as PodObject
  if (pod.kind !== 'Pod') yaml.fail(['kind'], `a static Pod manifest holds a Pod, got ${JSON.stringify(pod.kind)}`)
  const containers = pod.spec?.containers ?? []
  const index = containers.findIndex((container) => isComponent(programOf(container)))
  const container = containers[index]
  if (!container) return undefined
  const program = programOf(container)
  if (!isComponent(program)) return undefined
  const line = [...(container.command ?? []), ...(container.args ?? [])]
  line.forEach((argument, at) => {
    if (typeof argument !== 'string') {
      yaml.fail(['spec', 'containers', index, 'command', at], `must be text, got ${JSON.stringify(argument)}`)
    }
  })
  const image = container.image ?? ''
  return {
    component: program,
    image,
    version: versionOf(image),
    args: line.slice(1),
    environment: Object.fromEntries(
      (container.env ?? []).flatMap(({ name, value }) => (name && value ? [[name, value]] : [])),
    ),
    mounts: mountsOf(pod, container),
  }
}

function programOf(container: Container): string {
  const [program = ''] = [...(container.command ?? []), ...(container.args ?? [])]
  return typeof program === 'string' ? (program.split('/').at(-1) ?? '') : ''
}

function mountsOf(pod: PodObject, container: Container): Mount[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const from = pod.spec?.volumes?.find((volume) => volume.name === name)?.hostPath
    if (!mountPath || !from?.path) return []
    return [{ mountPath, hostPath: from.path, create: from.type === 'DirectoryOrCreate' }]
  })
}

/** `…/etcd:3.6.8-0` -> `3.6.8`. */
export function versionOf(image: string): string {
  const [named = ''] = image.split('@')
  const tag = /:([^/:]+)$/.exec(named)?.[1] ?? ''
  return tag.replace(/^v/, '').replace(/-.*$/, '')
}

/** Value of `--name=value`; the last one wins, as pflag has it. A bare `--name` is `true`. */
export function flagValue(text: string, name: string): string | undefined {
  const { items } = flagItems(text)
  const found = items.findLast((item) => item.value === `--${name}` || item.value.startsWith(`--${name}=`))
  if (!found) return undefined
  return found.value.includes('=') ? found.value.slice(`--${name}=`.length) : 'true'
}

/**
 * The manifest with a flag set, or removed where `value` is undefined. A new flag goes where the alphabet puts it, as
 * kubeadm writes them; nothing else of the text moves.
 *
 * @throws PostureError `[manifest_command]` where the Pod has no list of arguments to edit.
 */
export function setFlag(file: string, text: string, name: string, value: string | undefined): string {
  const { items, block } = flagItems(text)
  const first = items[0]
  if (!first) throw new PostureError('manifest_command', file, undefined, 'the Pod has no command to edit')
  if (!block) throw new PostureError('manifest_command', file, undefined, 'write the command as one argument a line')
  const matching = items.filter((item) => item.value === `--${name}` || item.value.startsWith(`--${name}=`))
  if (value === undefined) {
    return matching
      .toReversed()
      .reduce((rest, { lineStart, lineEnd }) => rest.slice(0, lineStart) + rest.slice(lineEnd), text)
  }
  const argument = `--${name}=${value}`
  const present = matching.at(-1)
  if (present) {
    return present.value === argument ? text : text.slice(0, present.start) + scalar(argument) + text.slice(present.end)
  }
  const indent = text.slice(first.lineStart, first.start)
  const line = `${indent}${scalar(argument)}\n`
  const next = items.find((item) => item.value.startsWith('--') && flagName(item.value) > name)
  const at = next ? next.lineStart : (items.at(-1) ?? first).lineEnd
  return text.slice(0, at) + line + text.slice(at)
}

/** The manifest with a folder of the host mounted read-only at its own path, unless it is mounted already. */
export function addHostFolder(file: string, text: string, name: string, path: string): string {
  if (
    readManifest(file, text)?.mounts.some(({ mountPath }) => mountPath === path || path.startsWith(`${mountPath}/`))
  ) {
    return text
  }
  const { document } = new YamlFile(file, text)
  document.addIn(
    ['spec', 'containers', 0, 'volumeMounts'],
    document.createNode({ mountPath: path, name, readOnly: true }),
  )
  const volume = { hostPath: { path, type: 'DirectoryOrCreate' }, name }
  document.addIn(['spec', 'volumes'], document.createNode(volume))
  return document.toString(YAML_STYLE)
}

/** The manifest with every argument replaced by `map`'s answer, and all other text by `mapRest`'s. */
export function mapManifest(
  text: string,
  map: (argument: string) => string,
  mapRest: (text: string) => string,
): string {
  let mapped = ''
  let at = 0
  for (const { value, start, end } of flagItems(text).items) {
    const argument = map(value)
    mapped += mapRest(text.slice(at, start)) + (argument === value ? text.slice(start, end) : scalar(argument))
    at = end
  }
  return mapped + mapRest(text.slice(at))
}

/** The manifest with another tag on the component's image: `v1.19.16`. */
export function setImageTag(text: string, component: Component, tag: string): string {
  const pattern = new RegExp(`(image:\\s*["']?\\S*/?${component}):[^\\s"'@]+`)
  return text.replace(pattern, `$1:${tag}`)
}

/** The tag as it stands, `v1.36.2`. */
export function imageTag(image: string): string {
  return /:([^/:]+)$/.exec(image.split('@')[0] ?? '')?.[1] ?? ''
}

interface Item {
  value: string
  /** Offsets of the scalar. */
  start: number
  end: number
  /** Offsets of the whole line. */
  lineStart: number
  lineEnd: number
}

/** The list that holds a component's flags (`args` where there is one, else `command`), with places in the text. */
const flagItems = remembered((text): { items: readonly Item[]; block: boolean } => {
  const document = parseDocument(text)
  const containers = document.getIn(['spec', 'containers'])
  for (let index = 0; isSeq(containers) && index < containers.items.length; index++) {
    const container = document.getIn(['spec', 'containers', index])
    const plain: Container = isMap(container) ? container.toJSON() : {}
    if (!isComponent(programOf(plain))) continue
    const list = document.getIn(['spec', 'containers', index, plain.args ? 'args' : 'command'], true)
    if (!isSeq(list)) continue
    const items = list.items.flatMap((item): Item[] => {
      if (!isScalar(item) || !item.range) return []
      const [start, end] = item.range
      const lineEnd = text.indexOf('\n', end)
      return [
        {
          value: String(item.value),
          start,
          end,
          lineStart: text.lastIndexOf('\n', start) + 1,
          lineEnd: lineEnd === -1 ? text.length : lineEnd + 1,
        },
      ]
    })
    return { items, block: !list.flow }
  }
  return { items: [], block: true }
})

function flagName(argument: string): string {
  return argument.replace(/^--/, '').split('=')[0] ?? ''
}

/** Quoted where a plain YAML scalar would mean something else. */
function scalar(argument: string): string {
  return /: |\s#|[{}[\],&*!|>%@`]$/.test(argument) ? JSON.stringify(argument) : argument
}

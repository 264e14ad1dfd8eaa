/**
 * Pods from files of the node, which nobody admitted: pkg/kubelet/config/{file,file_linux,common}.go. Whoever may write the folder
 * has its Pods run.
 */
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { klogS } from '../../../lib/kube/klog.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { parseDocument } from '../../../lib/settings/yaml.ts'
import { specOf, type PodSpec } from './pod-spec.ts'

interface StaticPodEvents {
  add: [KubeObject]
  remove: [KubeObject]
}

export const CONFIG_HASH = 'kubernetes.io/config.hash'
export const CONFIG_SOURCE = 'kubernetes.io/config.source'

/** A watch tells of most changes at once; a folder that was not there yet is found by looking again. */
const LOOK_MS = 1000

export class StaticPods extends EventEmitter<StaticPodEvents> {
  readonly #path: string
  readonly #nodeName: string
  /** By file. */
  readonly #pods = new Map<string, KubeObject>()
  readonly #complained = new Map<string, string>()
  #isWatched = false

  constructor(path: string, nodeName: string) {
    super()
    this.#path = path
    this.#nodeName = nodeName
  }

  start(): void {
    this.#look()
    setInterval(() => this.#look(), LOOK_MS).unref()
  }

  #look(): void {
    const files = this.#files()
    for (const [file, pod] of this.#pods) {
      if (files.includes(file)) continue
      this.#pods.delete(file)
      this.emit('remove', pod)
    }
    for (const file of files) this.#read(file)
  }

  /** One file, or those of a folder whose name starts with no dot. */
  #files(): string[] {
    try {
      if (statSync(this.#path).isFile()) return [this.#path]
      if (!this.#isWatched) this.#watch()
      const entries = readdirSync(this.#path, { withFileTypes: true })
      const names = entries
        .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
        .map(({ name }) => name)
      return names.sort().map((name) => join(this.#path, name))
    } catch {
      this.#isWatched = false
      return []
    }
  }

  #watch(): void {
    const watcher = watch(this.#path, { persistent: false }, () => this.#look())
    this.#isWatched = true
    watcher.on('error', () => {
      watcher.close()
      this.#isWatched = false
    })
  }

  #read(file: string): void {
    try {
      const pod = podOf(readFileSync(file, 'utf8'), file, this.#nodeName)
      this.#complained.delete(file)
      const known = this.#pods.get(file)
      if (known?.metadata.uid === pod.metadata.uid) return
      this.#pods.set(file, pod)
      if (known) this.emit('remove', known)
      this.emit('add', pod)
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || this.#complained.get(file) === message) return
      this.#complained.set(file, message)
      klogS('E', 'file.go:187', 'Could not process manifest file', { err: `${file}: ${message}`, path: file })
    }
  }
}

/** A Pod's name is its manifest's and the node's; its uid is what the manifest says. @throws Error */
function podOf(text: string, file: string, nodeName: string): KubeObject {
  const document = parseDocument(text, { uniqueKeys: false })
  if (document.errors.length > 0)
    throw new Error(`couldn't parse as pod(${document.errors[0]?.message}), please check config file`)
  const read = document.toJS() as Partial<KubeObject> | null
  if (read?.kind !== 'Pod' || read.apiVersion !== 'v1' || typeof read.metadata !== 'object') {
    throw new Error("couldn't parse as pod(Object 'Kind' is missing or is not Pod), please check config file")
  }
  const spec = (read['spec'] ?? {}) as PodSpec
  if (!Array.isArray(spec.containers) || spec.containers.length === 0) {
    throw new Error('invalid pod: [spec.containers: Required value]')
  }
  const reference = apiReference(spec)
  if (reference !== undefined) throw new Error(`static pods may not reference ${reference}`)
  const { name = '', namespace = 'default', labels, annotations } = read.metadata
  if (name === '') throw new Error('invalid pod: [metadata.name: Required value]')
  const uid = createHash('md5')
    .update(`${nodeName}\n${file}\n${JSON.stringify(read)}`)
    .digest('hex')
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name: `${name}-${nodeName}`.toLowerCase(),
      namespace,
      uid,
      creationTimestamp: null,
      ...(labels ? { labels } : {}),
      annotations: {
        ...annotations,
        [CONFIG_HASH]: uid,
        'kubernetes.io/config.seen': new Date().toISOString().replace('Z', '000000Z'),
        [CONFIG_SOURCE]: 'file',
      },
    },
    spec: {
      ...spec,
      nodeName,
      restartPolicy: spec.restartPolicy ?? 'Always',
      tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
    },
    status: { phase: 'Pending' },
  }
}

/** What would have to be read from the API (PreventStaticPodAPIReferences). */
function apiReference(spec: PodSpec): string | undefined {
  const { volumes = [], containers, initContainers = [], serviceAccountName = '' } = specOf({ spec } as never)
  const all = [...containers, ...initContainers]
  const sources = volumes.flatMap((volume) => [volume, ...(volume.projected?.sources ?? [])])
  const env = all.flatMap(({ env: each = [] }) => each.map(({ valueFrom }) => valueFrom))
  const envFrom = all.flatMap(({ envFrom: each = [] }) => each)
  if (sources.some((each) => each.secret)) return 'secrets'
  if (env.some((each) => each?.secretKeyRef) || envFrom.some((each) => each.secretRef)) return 'secrets'
  if (sources.some((each) => each.configMap)) return 'configmaps'
  if (env.some((each) => each?.configMapKeyRef) || envFrom.some((each) => each.configMapRef)) return 'configmaps'
  if (serviceAccountName !== '' || sources.some((each) => 'serviceAccountToken' in each)) return 'serviceaccounts'
  return undefined
}

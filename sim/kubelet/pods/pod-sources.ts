/**
 * Reads what a Pod refers to, with the node's own credential and by name, as the node authorizer wants it: Secrets,
 * ConfigMaps and tokens of its ServiceAccount. pkg/kubelet/kubelet_pods.go, pkg/volume/{secret,configmap,projected}.
 */
import { StatusError, type KubeClient } from '../../../lib/kube/client.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { TokenCache } from './token-cache.ts'
import { specOf, type ContainerSpec, type KeyToPath, type Volume } from './pod-spec.ts'

const TOKEN_SECONDS = 3607

/** A reference that cannot be read now; tried again. */
export class NotYet extends Error {}

type Data = ReadonlyMap<string, Buffer>

export interface PodFacts {
  podIp: string
  nodeName: string
  nodeIp: string
}

/** One reading of one Pod's sources: each object is asked for once. */
export class PodSources {
  readonly #client: KubeClient | undefined
  readonly #pod: KubeObject
  readonly #facts: PodFacts
  readonly #tokens: TokenCache
  readonly #read = new Map<string, Promise<Data | undefined>>()

  constructor(client: KubeClient | undefined, pod: KubeObject, facts: PodFacts, tokens: TokenCache) {
    this.#client = client
    this.#pod = pod
    this.#facts = facts
    this.#tokens = tokens
  }

  /** @throws NotYet */
  async environment(container: ContainerSpec): Promise<Map<string, string>> {
    const environment = new Map<string, string>()
    for (const { prefix = '', secretRef, configMapRef } of container.envFrom ?? []) {
      const reference = secretRef ?? configMapRef
      if (!reference) continue
      const data = await this.#data(secretRef ? 'secrets' : 'configmaps', reference.name ?? '', reference.optional)
      for (const [key, value] of data ?? []) environment.set(`${prefix}${key}`, value.toString('utf8'))
    }
    for (const { name, value, valueFrom } of container.env ?? []) {
      const reference = valueFrom?.secretKeyRef ?? valueFrom?.configMapKeyRef
      if (reference) {
        const resource = valueFrom?.secretKeyRef ? 'secrets' : 'configmaps'
        const found = (await this.#data(resource, reference.name ?? '', reference.optional))?.get(reference.key)
        if (found) environment.set(name, found.toString('utf8'))
        else if (reference.optional !== true) {
          throw new NotYet(
            `couldn't find key ${reference.key} in ${resource === 'secrets' ? 'Secret' : 'ConfigMap'} ${this.#namespace}/${reference.name ?? ''}`,
          )
        }
      } else if (valueFrom?.fieldRef) environment.set(name, this.#field(valueFrom.fieldRef.fieldPath))
      else environment.set(name, expand(value ?? '', environment))
    }
    return environment
  }

  /** Path in the volume -> content; undefined for a volume that is an empty folder here. @throws NotYet */
  async volume(volume: Volume): Promise<Map<string, Buffer>> {
    const { secret, configMap, projected, downwardAPI } = volume
    const files = new Map<string, Buffer>()
    const sources = projected?.sources ?? [
      {
        ...(secret ? { secret: { ...secret, name: secret.secretName ?? '' } } : {}),
        ...(configMap ? { configMap } : {}),
        ...(downwardAPI ? { downwardAPI } : {}),
      },
    ]
    for (const source of sources) {
      for (const [resource, reference] of [
        ['secrets', source.secret],
        ['configmaps', source.configMap],
      ] as const) {
        if (!reference) continue
        const data = await this.#data(resource, reference.name ?? '', reference.optional)
        for (const [path, content] of chosen(data ?? new Map(), reference.items, reference.optional)) {
          files.set(path, content)
        }
      }
      for (const { path, fieldRef } of source.downwardAPI?.items ?? []) {
        if (fieldRef) files.set(path, Buffer.from(this.#field(fieldRef.fieldPath)))
      }
      if (source.serviceAccountToken) {
        const { audience, expirationSeconds, path } = source.serviceAccountToken
        files.set(path, Buffer.from(await this.#token(audience, expirationSeconds ?? TOKEN_SECONDS)))
      }
    }
    return files
  }

  get #namespace(): string {
    return this.#pod.metadata.namespace ?? ''
  }

  #data(resource: 'secrets' | 'configmaps', name: string, optional = false): Promise<Data | undefined> {
    const key = `${resource}/${name}`
    let reading = this.#read.get(key)
    if (!reading) {
      reading = this.#fetch(resource, name)
      this.#read.set(key, reading)
    }
    return reading.then((data) => {
      if (!data && !optional) {
        throw new NotYet(`${resource === 'secrets' ? 'secret' : 'configmap'} ${JSON.stringify(name)} not found`)
      }
      return data
    })
  }

  async #fetch(resource: 'secrets' | 'configmaps', name: string): Promise<Data | undefined> {
    try {
      const object = await this.#api.get(
        `/api/v1/namespaces/${this.#namespace}/${resource}/${encodeURIComponent(name)}`,
      )
      const plain = Object.entries((object['data'] ?? {}) as Record<string, string>)
      const binary = Object.entries((object['binaryData'] ?? {}) as Record<string, string>)
      const encoding = resource === 'secrets' ? 'base64' : 'utf8'
      return new Map([
        ...plain.map(([key, value]): [string, Buffer] => [key, Buffer.from(value, encoding)]),
        ...binary.map(([key, value]): [string, Buffer] => [key, Buffer.from(value, 'base64')]),
      ])
    } catch (error) {
      if (error instanceof StatusError && error.status === 404) return undefined
      throw new NotYet((error as Error).message)
    }
  }

  async #token(audience: string | undefined, expirationSeconds: number): Promise<string> {
    const { name = '', uid = '' } = this.#pod.metadata
    const serviceAccount = specOf(this.#pod).serviceAccountName ?? 'default'
    const asked = { namespace: this.#namespace, serviceAccount, audience, expirationSeconds, pod: { name, uid } }
    try {
      return await this.#tokens.token(this.#api, asked)
    } catch (error) {
      throw new NotYet((error as Error).message)
    }
  }

  /** A standalone kubelet has no API to read from. */
  get #api(): KubeClient {
    if (!this.#client) throw new NotYet('no API client')
    return this.#client
  }

  #field(path: string): string {
    const { metadata } = this.#pod
    const key = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
    if (key) return metadata[key[1] as 'labels' | 'annotations']?.[key[2] ?? ''] ?? ''
    const { podIp, nodeName, nodeIp } = this.#facts
    const values: Record<string, string | undefined> = {
      'metadata.name': metadata.name,
      'metadata.namespace': metadata.namespace,
      'metadata.uid': metadata.uid,
      'metadata.labels': pairs(metadata.labels),
      'metadata.annotations': pairs(metadata.annotations),
      'spec.nodeName': nodeName,
      'spec.serviceAccountName': specOf(this.#pod).serviceAccountName ?? 'default',
      'status.hostIP': nodeIp,
      'status.podIP': podIp,
    }
    return values[path] ?? ''
  }
}

function chosen(data: Data, items: KeyToPath[] | undefined, optional: boolean | undefined): Map<string, Buffer> {
  if (!items) return new Map(data)
  const files = new Map<string, Buffer>()
  for (const { key, path } of items) {
    const content = data.get(key)
    if (content) files.set(path, content)
    else if (optional !== true) throw new NotYet(`references non-existent secret key: ${key}`)
  }
  return files
}

function pairs(members: Record<string, string> = {}): string {
  return Object.entries(members)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

/** `$(NAME)` of a variable that is known, `$$` for a dollar (third_party/forked/golang/expansion). */
export function expand(text: string, environment: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^)]+)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (environment.get(name) ?? whole),
  )
}

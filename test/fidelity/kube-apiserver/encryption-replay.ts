/**
 * Secrets of the four storage forms, changed in etcd as the recordings changed them, and read through the storage under
 * another encryption configuration. What was done to a value stands in the row's id.
 */
import { checkHealth } from '../../../sim/kube-apiserver/health.ts'
import { statusOf } from '../../../sim/kube-apiserver/respond.ts'
import { initializing } from '../../../sim/kube-apiserver/registry/read.ts'
import { findResource, STORED_RESOURCES } from '../../../sim/kube-apiserver/registry/resources.ts'
import { transformersOf } from '../../../sim/kube-apiserver/storage/encryption-configuration.ts'
import type { EncryptionProvider, TransformerOf } from '../../../sim/kube-apiserver/storage/encryption-configuration.ts'
import { encodeObject } from '../../../sim/kube-apiserver/storage/codec.ts'
import type { KeyValueStore, StoredValue } from '../../../sim/kube-apiserver/storage/key-value-store.ts'
import { ObjectStore } from '../../../sim/kube-apiserver/storage/object-store.ts'
import { identity } from '../../../sim/kube-apiserver/storage/transformer.ts'
import { WatchCache } from '../../../sim/kube-apiserver/storage/watch-cache.ts'

export interface EncryptionRow {
  id: string
  setup: string
  path?: string
  /** Of a value as it lies in etcd: the provider's prefix, and how many bytes follow it. */
  prefix?: string
  bytes?: number
  status?: number
  body?: { kind: string; message?: string }
  notReady?: string[]
}

const FORMS = ['none', 'aescbc', 'aesgcm', 'secretbox'] as const
type Form = (typeof FORMS)[number]
type Keyed = Exclude<Form, 'none'>
const FOLDER = '/registry/secrets/team-a/'
const BLOCK = 16

function provider(form: Keyed, byte: number, name: string): EncryptionProvider {
  return { [form]: { keys: [{ name, secret: Buffer.alloc(32, byte).toString('base64') }] } }
}

const ALL: EncryptionProvider[] = [
  ...(['secretbox', 'aescbc', 'aesgcm'] as const).map((form) => provider(form, 1, 'key1')),
  { identity: {} },
]
const SETUPS: Readonly<Record<string, EncryptionProvider[] | undefined>> = {
  kubeadm: undefined,
  'enc-aesgcm': [provider('aesgcm', 1, 'key1'), { identity: {} }],
  'enc-secretbox': [provider('secretbox', 1, 'key1'), { identity: {} }],
  'enc-all': ALL,
  'enc-other-keys': (['secretbox', 'aescbc', 'aesgcm'] as const).map((form) => provider(form, 2, 'key2')),
  'enc-same-name-other-key': [
    ...(['secretbox', 'aescbc', 'aesgcm'] as const).map((form) => provider(form, 3, 'key1')),
    { identity: {} },
  ],
}

export class EncryptionReplay {
  readonly #values: ReadonlyMap<Form, Buffer>

  private constructor(values: ReadonlyMap<Form, Buffer>) {
    this.#values = values
  }

  static async create(): Promise<EncryptionReplay> {
    const values = new Map<Form, Buffer>()
    for (const form of FORMS) {
      const transformer = form === 'none' ? () => identity : await transformerOf([provider(form, 1, 'key1')])
      values.set(form, transformer('secrets', '').toStorage(encodeObject(secret(form)), `${FOLDER}s-${form}`))
    }
    return new EncryptionReplay(values)
  }

  /** What the storage makes of the row's value or values. */
  async answer(row: EncryptionRow): Promise<Pick<EncryptionRow, 'status' | 'body' | 'notReady' | 'prefix' | 'bytes'>> {
    const rules = SETUPS[row.setup]
    const transformer = rules ? await transformerOf(rules) : (): typeof identity => identity
    if (row.prefix !== undefined) return this.#lying(row, transformer)
    if (row.notReady) return { status: 500, notReady: await this.#notReady(row, transformer) }
    if (!row.path?.includes('/secrets/')) return this.#list(row, transformer)
    const name = row.path.slice(row.path.lastIndexOf('/') + 1)
    const value = this.#valueOf(row.id.replace('encryption-', ''), name)
    const store = new ObjectStore(
      holding([{ key: `${FOLDER}${name}`, value, modRevision: 7 }]),
      '/registry',
      transformer,
    )
    try {
      const found = await store.get(secrets(), 'team-a', name)
      return { status: 200, body: found?.object as EncryptionRow['body'] & object }
    } catch (error) {
      const status = statusOf(error)
      return { status: status.code ?? 500, body: status as EncryptionRow['body'] & object }
    }
  }

  /** An empty update writes with the first provider. */
  #lying({ id }: EncryptionRow, transformer: TransformerOf): { prefix: string; bytes: number } {
    const form = id.includes('rewrite') ? 'aescbc' : (/enc-(\w+)$/.exec(id)?.[1] as Form)
    const key = `${FOLDER}s-${form}`
    // the recorded values hold who wrote which field, which nobody keeps here
    const stored = transformer('secrets', '').toStorage(encodeObject(managed(secret(form))), key)
    const prefix = /^k8s:enc:\w+:v1:\w+:/.exec(stored.toString('latin1'))?.[0] ?? ''
    return { prefix, bytes: stored.length - prefix.length }
  }

  #all(): StoredValue[] {
    const stored = FORMS.map((form) => ({ key: `${FOLDER}s-${form}`, value: this.#of(form), modRevision: 7 }))
    return [{ key: `${FOLDER}mine`, value: this.#of('secretbox'), modRevision: 7 }, ...stored]
  }

  /** The lines of /readyz?verbose that complain, after a start with these values. */
  async #notReady({ id }: EncryptionRow, transformer: TransformerOf): Promise<string[]> {
    const values = id.includes('one-unreadable') ? [...this.#all(), this.#moved()] : this.#all()
    const cache = new WatchCache(new ObjectStore(holding(values), '/registry', transformer), STORED_RESOURCES)
    await cache.start()
    const health = { etcd: async () => true, synced: () => cache.ready, bootstrapped: () => true }
    const said = await checkHealth('readyz', '', new URLSearchParams('verbose'), health)
    return said?.text.split('\n').filter((line) => line.startsWith('[-]')) ?? []
  }

  async #list(
    { id, status }: EncryptionRow,
    transformer: TransformerOf,
  ): Promise<Pick<EncryptionRow, 'status' | 'body'>> {
    const values = id.includes('bad') ? [this.#moved()] : this.#all()
    const store = new ObjectStore(holding(values), '/registry', transformer)
    try {
      if (status === 429) {
        const cache = new WatchCache(store, STORED_RESOURCES)
        await cache.start()
        throw initializing(secrets(), cache.resource('secrets')?.failure ?? '')
      }
      await store.list(secrets(), { namespace: 'team-a' })
      return { status: 200 }
    } catch (error) {
      const said = statusOf(error)
      return { status: said.code ?? 500, body: said as EncryptionRow['body'] & object }
    }
  }

  #moved(): StoredValue {
    return { key: `${FOLDER}moved-aesgcm`, value: this.#of('aesgcm'), modRevision: 7 }
  }

  #of(form: Form): Buffer {
    return Buffer.from(this.#values.get(form) ?? Buffer.alloc(0))
  }

  /** `flip-aesgcm-nonce`, `moved-aescbc`, `read-enc-other-keys-secretbox`, …: the bytes that lie at the key. */
  #valueOf(what: string, name: string): Buffer {
    if (what === 'raw-magic-only') return Buffer.from('k8s\0')
    const form = FORMS.find((each) => what.includes(each)) ?? (name.replace('s-', '') as Form)
    const value = this.#of(form)
    const head = value.toString('latin1').lastIndexOf(':key1:') + ':key1:'.length
    if (what.startsWith('flip')) value[placeOf(what, value.length, head)]! ^= 1
    if (what.startsWith('truncated-block')) return value.subarray(0, -BLOCK)
    if (what.startsWith('truncated')) return value.subarray(0, -1)
    const replaced = (from: string, to: string): Buffer =>
      Buffer.from(value.toString('latin1').replace(from, to), 'latin1')
    if (what.startsWith('key-unknown')) return replaced(':key1:', ':keyX:')
    if (what.startsWith('provider-unknown')) return replaced(`:${form}:`, ':rot13:')
    if (what.startsWith('version-unknown')) return replaced(':v1:', ':v9:')
    return value
  }
}

function placeOf(what: string, length: number, head: number): number {
  if (what.endsWith('nonce')) return head
  if (what.endsWith('first-block')) return head + BLOCK
  if (what.endsWith('middle')) return head + Math.floor((length - head) / 2)
  if (what.endsWith('block-before-last')) return length - BLOCK - 1
  return length - 1
}

async function transformerOf(providers: EncryptionProvider[]): Promise<TransformerOf> {
  return transformersOf([{ resources: ['secrets'], providers }])
}

function secrets(): NonNullable<ReturnType<typeof findResource>> {
  const found = findResource('', 'v1', 'secrets')
  if (!found) throw new Error('[resource_table] secrets: not in the table')
  return found
}

const TIME = '2026-11-24T00:39:14Z'

function secret(form: Form): Parameters<typeof encodeObject>[0] {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `s-${form}`,
      namespace: 'team-a',
      uid: '11111111-2222-3333-4444-555555555555',
      creationTimestamp: TIME,
    },
    data: { k: Buffer.from('canary-value').toString('base64') },
    type: 'Opaque',
  }
}

function managed(object: ReturnType<typeof secret>): ReturnType<typeof secret> {
  const fieldsV1 = { 'f:data': { '.': {}, 'f:k': {} }, 'f:type': {} }
  const common = { operation: 'Update', apiVersion: 'v1', time: TIME, fieldsType: 'FieldsV1', fieldsV1 }
  return { ...object, metadata: { ...object.metadata, managedFields: [{ manager: 'unknown', ...common }] } }
}

/** A store that holds these values and is only read. */
function holding(values: readonly StoredValue[]): KeyValueStore {
  const never = async (): Promise<never> => Promise.reject(new Error('[test_store] it is only read'))
  return {
    range: async ({ start, end }) => {
      const found = values.filter(({ key }) => (end === undefined ? key === start : key >= start && key < end))
      return { revision: 7, values: found, more: false, count: found.length }
    },
    put: never,
    remove: never,
    watch: () => ({ close: () => {} }),
    close: () => {},
  }
}

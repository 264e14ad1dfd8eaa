/** What happens to bytes between the codec and etcd: apiserver/pkg/storage/value/transformer.go. */
export interface Transformer {
  /** Throws where the bytes are not what this one wrote. `stale`: to be written anew by the first provider and key. */
  fromStorage(data: Buffer, key: string): { data: Buffer; stale: boolean }
  /** `key` is the etcd key, which authenticated providers bind the value to. */
  toStorage(data: Buffer, key: string): Buffer
}

export interface PrefixedTransformer {
  prefix: string
  transformer: Transformer
}

export const PROVIDER_UNKNOWN = 'no matching prefix found'

/** Writes with the first; reads with the first whose prefix matches and that succeeds. `unknown` is the error for none. */
export function prefixTransformers(members: readonly PrefixedTransformer[], unknown = PROVIDER_UNKNOWN): Transformer {
  return {
    fromStorage(data, key) {
      const errors: string[] = []
      for (const [index, { prefix, transformer }] of members.entries()) {
        if (!data.subarray(0, prefix.length).equals(Buffer.from(prefix))) continue
        try {
          const read = transformer.fromStorage(data.subarray(prefix.length), key)
          return { data: read.data, stale: read.stale || index > 0 }
        } catch (error) {
          // identity in front of an encryption provider must not keep the others from being tried
          if (prefix !== '') errors.push((error as Error).message)
        }
      }
      const distinct = [...new Set(errors)]
      if (distinct.length === 0) throw new Error(unknown)
      throw new Error(distinct.length === 1 ? distinct[0] : `[${distinct.join(', ')}]`)
    },
    toStorage(data, key) {
      const first = members[0]
      if (!first) throw new Error(unknown)
      return Buffer.concat([Buffer.from(first.prefix), first.transformer.toStorage(data, key)])
    },
  }
}

const ENCRYPTED = Buffer.from('k8s:enc:')

/** Refuses what some encryption provider wrote: apiserver/pkg/storage/value/encrypt/identity. */
export const identity: Transformer = {
  fromStorage(data) {
    if (data.subarray(0, ENCRYPTED.length).equals(ENCRYPTED))
      throw new Error('identity transformer tried to read encrypted data')
    return { data, stale: false }
  },
  toStorage: (data) => data,
}

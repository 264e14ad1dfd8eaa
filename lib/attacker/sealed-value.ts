/** What a value from the store says of itself: sealed by an encryption provider, or in the clear. */
import type { Observation } from './world.ts'

/** `k8s:enc:<provider>:<version>:<key>:` as every provider but identity writes it (BEHAVIOUR of kube-apiserver's transformers). */
const PREFIX = /^(k8s:enc:[a-z]+:v[12]):/

/** The observation that a value is sealed, or undefined for one that is not. */
export function sealedBy(key: string, value: Uint8Array): Observation | undefined {
  const match = PREFIX.exec(Buffer.from(value.subarray(0, 64)).toString('latin1'))
  return match ? { layer: 'at-rest', code: match[1]!, text: `${key} is sealed, ${value.length} bytes` } : undefined
}

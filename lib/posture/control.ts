import type { Layer } from '../tls/layer.ts'
import type { Posture } from './posture.ts'

/**
 * One setting that defends: a flag, a field, a file mode, a CA split. Twins, premises and ablation use the same ones.
 *
 * Both functions are pure. `weaken` of a posture that does not hold the control gives the same posture back: dropping
 * what is not there changes nothing. `restore` sets the control as a hardened cluster has it, together with what it
 * needs to work (a restored --client-cert-auth needs a CA file and a client that shows a certificate); after a `weaken`
 * it gives back the posture that was.
 */
export interface Control {
  id: string
  /** What stands while the control does, in one line. */
  title: string
  /** CIS Kubernetes Benchmark 1.12 ids. */
  cis?: readonly string[]
  /** Where it stops what it stops. */
  layer: Layer
  /** What `weaken` changes: absolute paths on hosts, or `pki.yaml` and `posture.yaml`. */
  files: readonly string[]
  weaken(posture: Posture): Posture
  restore(posture: Posture): Posture
}

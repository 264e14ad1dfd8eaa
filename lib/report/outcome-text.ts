import type { Outcome } from '../scenario/outcome.ts'

/** An outcome in a few words: `stopped by kube-apiserver, 403-rbac (Forbidden)`. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'through':
      return `through: ${outcome.proof}`
    case 'stopped':
      return `stopped by ${outcome.by}, ${outcome.layer} (${outcome.code})`
    case 'unclear':
      return `unclear: ${outcome.reason}`
    case 'skipped':
      return `skipped(${outcome.reason})`
  }
}

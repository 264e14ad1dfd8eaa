/** Recorded streams that ours do not meet, and why. */
import type { ExecRow } from './exec-replay.ts'

export function execException({ id }: ExecRow): string | undefined {
  if (id.includes('-big')) return 'the recorded runtime had commands of its own'
  if (id === 'kubelet-spdy-resize') return 'the recorded runtime put no carriage return before a newline'
  if (id.includes('-attach')) return 'the recorded entry point said `attached` to whoever came'
  return undefined
}

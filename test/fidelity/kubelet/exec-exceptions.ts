/** Recorded streams that ours do not meet, and why. */
import type { ExecRow } from './exec-replay.ts'

const WITH_TERMINAL = new Set([
  'kubelet-spdy-resize',
  'apiserver-spdy-resize',
  'apiserver-ws-resize-v5',
  'apiserver-ws-tty-and-stderr',
])

export function execException({ id }: ExecRow): string | undefined {
  if (id.includes('-big')) return 'the recorded runtime had commands of its own'
  if (WITH_TERMINAL.has(id)) return 'the recorded runtime put no carriage return before a newline'
  if (id.includes('-attach')) return 'the recorded entry point said `attached` to whoever came'
  if (id === 'apiserver-upgrade-spdy-3') return 'the real kubelet names all headers that it saw, as a Go map'
  if (id === 'apiserver-spdy-portforward-no-version') return 'how many headers the recorded client sent is not known'
  return undefined
}

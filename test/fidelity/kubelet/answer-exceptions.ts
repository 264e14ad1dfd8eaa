/** Recorded answers that ours do not meet, and why. */
import type { AnswerRow } from './answer-replay.ts'

const BY_ID: Readonly<Record<string, string>> = {
  'raw-http10': "Node answers a request of HTTP/1.0 with its own version's status line",
  'raw-no-host': 'Node words a missing Host header in its own way',
  'raw-http2-preface': "Node's parser takes the preface for a malformed request, with a text of ours",
  'raw-te-and-cl': 'Node refuses a request with both Transfer-Encoding and Content-Length, as RFC 9112 advises',
  'raw-expect-continue': 'Node says 100 Continue to a request whose body has come already',
  'as-proxy-get-get-runningpods': "the order of a runtime's containers is not part of the truth",
  'trace-metrics-slis': 'recorded just after the series were reset',
  'odd-post-run-default-web-app-cmd-stderr-oops': 'the recorded runtime had commands of its own',
}

export function answerException(row: AnswerRow): string | undefined {
  const { id, method, path = '' } = row
  if (BY_ID[id]) return BY_ID[id]
  if (method === 'FOO') return "Node's parser knows no such method and answers 400"
  if (path.startsWith('/stats/summary') && (row.status === 500 || row.statusBy?.['super-admin'] === 500)) {
    return 'the recording machine could not tell its disks apart'
  }
  if (path.startsWith('/stats/summary?')) return 'numbers of the recording machine'
  if (row.body?.includes('<pre>\n<a href=')) return 'a simulated node has an empty /var/log'
  if (/^\/debug\/pprof\/[a-z]/.test(path) && row.status === 200 && !path.includes('symbol')) {
    return 'profiles of a Go program'
  }
  return undefined
}

/** /statusz and /flagz: k8s.io/component-base/zpages. Text for people, and on purpose nothing for machines. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { failure } from '../../../lib/kube/status.ts'
import { answer, PLAIN_TEXT } from './answer.ts'

const WARNING =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
const REFUSAL = 'only the following media types are accepted: application/json, application/yaml, text/plain'

export type ZPage = 'statusz' | 'flagz'

/** `lines` are of the page; whoever asks for anything but text is refused in the kind that it takes. */
export function zpage(request: IncomingMessage, response: ServerResponse, page: ZPage, lines: readonly string[]): void {
  const accept = request.headers.accept ?? ''
  const kinds = accept.split(',').map((each) => each.split(';')[0]!.trim())
  if (accept === '' || kinds.some((kind) => ['*/*', 'text/*', 'text/plain'].includes(kind))) {
    return answer(response, 200, `\nkubelet ${page}\n${WARNING}\n${lines.join('\n')}\n`, { 'Content-Type': PLAIN_TEXT })
  }
  const status = failure(406, 'NotAcceptable', REFUSAL)
  if (accept === 'application/yaml') {
    const folded = REFUSAL.replace(', text', ',\n  text')
    const body = `apiVersion: v1\ncode: 406\nkind: Status\nmessage: '${folded}'\nmetadata: {}\nreason: NotAcceptable\nstatus: Failure\n`
    return answer(response, 406, body, { 'Content-Type': 'application/yaml' })
  }
  const isPlain = accept === 'application/json'
  const body = isPlain ? `${JSON.stringify(status)}\n` : JSON.stringify(status, undefined, 2)
  answer(response, 406, body, { 'Content-Type': 'application/json' })
}

/** Hours, minutes and seconds as the page has them. */
export function statusLines(version: string): string[] {
  const seconds = Math.floor(process.uptime())
  const two = (value: number): string => String(value).padStart(2, '0')
  const started = new Date(Date.now() - seconds * 1000)
  const [, day = '', date = '', month = '', year = '', time = ''] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(started.toUTCString()) ?? []
  const minor = version.replace(/^v/, '').split('.').slice(0, 2).join('.')
  const up = `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60) % 60)} min ${two(seconds % 60)} sec`
  return [
    '',
    `Started: ${day} ${month} ${date} ${time} UTC ${year}`,
    `Up: ${up}`,
    'Go version: go1.26.8',
    `Binary version: ${minor}`,
    `Emulation version: ${minor}`,
    'Paths: /configz /debug /flagz /healthz /metrics',
  ]
}

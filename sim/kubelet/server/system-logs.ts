/** /logs: the folder /var/log of a simulated node, which is empty, and its journal, which is too. pkg/kubelet/kubelet_server_journal.go. */
import type { ServerResponse } from 'node:http'
import { answer, httpError } from './answer.ts'

/** `query` is looked at with enableSystemLogQuery only. */
export function systemLogs(
  response: ServerResponse,
  path: readonly string[],
  query: URLSearchParams | undefined,
): void {
  const services = (query?.getAll('query') ?? []).filter((each) => !each.includes(';'))
  if (query && services.length > 0) return journal(response, services, query)
  if (path.every((part) => part === '')) {
    const body = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n</pre>\n'
    return answer(response, 200, body, { 'Content-Type': 'text/html; charset=utf-8' })
  }
  httpError(response, 404, '404 page not found')
}

function journal(response: ServerResponse, services: readonly string[], query: URLSearchParams): void {
  const tail = query.get('tailLines')
  if (tail !== null && !/^[-+]?\d+$/.test(tail)) {
    const why = `strconv.Atoi: parsing ${JSON.stringify(tail)}: invalid syntax`
    return httpError(response, 400, `tailLines: Invalid value: ${JSON.stringify(tail)}: ${why}`)
  }
  for (const name of ['sinceTime', 'untilTime']) {
    const time = query.get(name)
    if (time === null || !Number.isNaN(Date.parse(time))) continue
    return httpError(response, 400, `${name}: Invalid value: ${JSON.stringify(time)}: invalid time format`)
  }
  if (services.includes('')) {
    const list = services.map((each) => JSON.stringify(each)).join(',')
    return httpError(response, 400, `query: Invalid value: [${list}]: may not be empty`)
  }
  const body = services.map((each) => `\nlog not found for ${each}\n`).join('')
  answer(response, 200, body, { 'Content-Type': 'text/plain;charset=UTF-8' })
}

/** /containerLogs: what a container wrote. pkg/kubelet/server/server.go getContainerLogs. */
import type { ServerResponse } from 'node:http'
import type { Container, LogLine } from '../container/container.ts'
import { answer } from './answer.ts'

const INVALID = '{"message": "Invalid request."}'
const UNDECODABLE = '{"message": "Unable to decode query."}'

export function containerLogs(
  response: ServerResponse,
  container: Container,
  query: URLSearchParams,
  onBytes: (bytes: Buffer) => void,
): void {
  const numbers = new Map<string, number>()
  for (const name of ['tailLines', 'sinceSeconds', 'limitBytes']) {
    const text = query.get(name)
    if (text === null || text === '') continue
    if (!/^[-+]?\d+$/.test(text)) return answer(response, 400, UNDECODABLE)
    numbers.set(name, Number(text))
  }
  const tail = query.get('tail')
  if (tail !== null && /^\d+$/.test(tail)) numbers.set('tailLines', Number(tail))
  const tailLines = numbers.get('tailLines')
  const sinceSeconds = numbers.get('sinceSeconds')
  const limitBytes = numbers.get('limitBytes')
  const isInvalid =
    (tailLines !== undefined && tailLines < 0) ||
    (sinceSeconds !== undefined && sinceSeconds < 1) ||
    (limitBytes !== undefined && limitBytes < 1)
  if (isInvalid) return answer(response, 422, INVALID)
  const stream = query.get('stream')
  if (stream !== null && !['', 'All', 'Stdout', 'Stderr'].includes(stream)) return answer(response, 422, INVALID)
  if ((stream === 'Stdout' || stream === 'Stderr') && tailLines !== undefined) return answer(response, 422, INVALID)
  if (stream === 'Stdout' || stream === 'Stderr') {
    const advice = 'Please enable PodLogsQuerySplitStreams feature gate in kubelet'
    return answer(response, 400, `unable to return the given log stream: "${stream}". ${advice}`)
  }
  const sinceTime = query.get('sinceTime') || undefined
  if (sinceTime !== undefined && (sinceSeconds !== undefined || Number.isNaN(Date.parse(sinceTime)))) {
    return Number.isNaN(Date.parse(sinceTime)) ? answer(response, 400, UNDECODABLE) : answer(response, 422, INVALID)
  }
  const since = sinceSeconds === undefined ? Date.parse(sinceTime ?? '1970-01-01') : Date.now() - sinceSeconds * 1000
  const stamps = ['true', '1', ''].includes(query.get('timestamps') ?? 'false')
  const follow = ['true', '1', ''].includes(query.get('follow') ?? 'false')
  let lines = splitLines(
    container.log.filter(({ timeMs }) => timeMs >= since),
    stamps,
  )
  if (tailLines !== undefined) lines = tailLines === 0 ? [] : lines.slice(-tailLines)
  let text: Buffer = Buffer.concat(lines)
  if (limitBytes !== undefined) text = text.subarray(0, limitBytes)
  response.writeHead(200, { 'Transfer-Encoding': 'chunked' })
  onBytes(text)
  response.write(text)
  if (!follow || container.exitCode !== undefined) return void response.end()
  const more = (line: LogLine): void => {
    const bytes = Buffer.concat(splitLines([line], stamps))
    onBytes(bytes)
    response.write(bytes)
  }
  const end = (): void => void response.end()
  container.on('output', more)
  container.once('exit', end)
  response.once('close', () => {
    container.off('output', more)
    container.off('exit', end)
  })
}

function splitLines(log: readonly LogLine[], stamps: boolean): Buffer[] {
  return log.flatMap(({ timeMs, bytes }) => {
    const lines = bytes.toString('latin1').match(/[^\n]*\n|[^\n]+$/g) ?? []
    const stamp = stamps ? `${new Date(timeMs).toISOString().replace('Z', '000000Z')} ` : ''
    return lines.map((line) => Buffer.from(stamp + line, 'latin1'))
  })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { answer } from './answer.ts'

/** The verbosity of a log that has one: k8s.io/apiserver/pkg/server/routes/flags.go. */
export async function debugFlags(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' }
  if (request.method !== 'PUT') return answer(response, 406, 'unsupported http method\n', headers)
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const text = Buffer.concat(pieces).toString('utf8')
  if (!/^\d+$/.test(text)) {
    return answer(response, 400, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax\n`, headers)
  }
  answer(response, 200, `successfully set klog.logging.verbosity to ${text}\n`, headers)
}

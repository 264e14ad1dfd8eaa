/** Answers as Go writes them: net/http's Error and go-restful's WriteErrorString differ in a newline and a header. */
import type { ServerResponse } from 'node:http'

export const PLAIN_TEXT = 'text/plain; charset=utf-8'

export function answer(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = { 'Content-Type': PLAIN_TEXT },
): void {
  const bytes = Buffer.from(body as string)
  response.writeHead(status, { ...headers, 'Content-Length': String(bytes.length) })
  response.end(bytes)
}

/** http.Error. */
export function httpError(response: ServerResponse, status: number, text: string): void {
  answer(response, status, `${text}\n`, { 'Content-Type': PLAIN_TEXT, 'X-Content-Type-Options': 'nosniff' })
}

export function json(response: ServerResponse, value: unknown): void {
  answer(response, 200, `${JSON.stringify(value)}\n`, { 'Content-Type': 'application/json' })
}

/** http.Redirect: a body for GET and HEAD only. */
export function redirect(response: ServerResponse, method: string, location: string): void {
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(307, { Location: location, 'Content-Length': '0' })
    return void response.end()
  }
  const body = `<a href="${location.replaceAll('&', '&amp;')}">Temporary Redirect</a>.\n\n`
  answer(response, 307, body, { 'Content-Type': 'text/html; charset=utf-8', Location: location })
}

/** One HTTP request to a member, and how it answers as Go's net/http does. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../grpc/call.ts'

export interface HttpExchange {
  request: IncomingMessage
  response: ServerResponse
  caller: Caller
  /** Over TLS. */
  isSecure: boolean
  /** Decoded, as Go's URL.Path. */
  path: string
  query: URLSearchParams
}

export type HttpHandler = (exchange: HttpExchange) => void | Promise<void>

export type HttpServer = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void

/** net/http's http.Error: plain text with a line's end, never taken for anything else. */
export function refuse({ response }: Pick<HttpExchange, 'response'>, status: number, text: string): void {
  const body = `${text}\n`
  response.statusCode = status
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}

export function notFound(exchange: HttpExchange): void {
  refuse(exchange, 404, '404 page not found')
}

/** Whether the method is the one that is served; otherwise it is refused here. */
export function isGet(exchange: HttpExchange): boolean {
  if (exchange.request.method === 'GET') return true
  exchange.response.setHeader('allow', 'GET')
  refuse(exchange, 405, 'Method Not Allowed')
  return false
}

export function write({ response }: HttpExchange, type: string, body: string): void {
  response.statusCode = 200
  response.setHeader('content-type', type)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}

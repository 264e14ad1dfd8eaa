/** net/http's ServeMux: exact paths, folders, and a redirect for a path that is not in its simplest form. */
import { posix } from 'node:path'
import { notFound, refuse, type HttpExchange, type HttpHandler } from './http-request.ts'

export class Mux {
  readonly #exact = new Map<string, HttpHandler>()
  readonly #folders = new Map<string, HttpHandler>()

  /** A path that ends with a slash stands for all below it. */
  handle(path: string, handler: HttpHandler): void {
    if (path.endsWith('/')) this.#folders.set(path, handler)
    else this.#exact.set(path, handler)
  }

  serve(exchange: HttpExchange): void | Promise<void> {
    const { path } = exchange
    const clean = cleanPath(path)
    if (clean !== path) return redirect(exchange, clean)
    const exact = this.#exact.get(path)
    if (exact) return exact(exchange)
    if (this.#folders.has(`${path}/`)) return redirect(exchange, `${path}/`)
    for (const [folder, handler] of this.#folders) if (path.startsWith(folder)) return handler(exchange)
    return notFound(exchange)
  }
}

/** Go's path.Clean, with the slash at the end kept. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/') ? path : `/${path}`
  const clean = posix.normalize(rooted).replace(/\/$/, '') || '/'
  return rooted.endsWith('/') && clean !== '/' ? `${clean}/` : clean
}

type Asked = Pick<HttpExchange, 'request' | 'response' | 'query'>

/** http.Redirect with 307: a page for those who read, which a POST does not. */
export function redirect({ request, response, query }: Asked, path: string): void {
  const target = encodeURI(path) + (query.size > 0 ? `?${query.toString()}` : '')
  response.statusCode = 307
  response.setHeader('location', target)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('content-length', 0)
    return void response.end()
  }
  const body = `<a href="${target.replaceAll('&', '&amp;')}">Temporary Redirect</a>.\n\n`
  response.setHeader('content-type', 'text/html; charset=utf-8')
  if (request.method === 'GET') response.setHeader('content-length', Buffer.byteLength(body))
  response.end(request.method === 'GET' ? body : undefined)
}

/** What a request asks for; undefined for a target that Go does not parse, which is refused. */
export function targetOf(url: string): { path: string; query: URLSearchParams } | undefined {
  const [target, query] = splitOnce(url.replace(/^https?:\/\/[^/?#]*/, ''), '?')
  try {
    return { path: decodeURIComponent(target) || '/', query: new URLSearchParams(query) }
  } catch {
    return undefined
  }
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

export function badRequest(exchange: Pick<HttpExchange, 'response'>): void {
  refuse(exchange, 400, '400 Bad Request')
}

/** An API of objects in memory, over plain HTTP: enough of kube-apiserver for those who list, watch and write. */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { KubeObject } from '../../../lib/kube/object.ts'

export interface ObjectServer {
  url: string
  objects: Map<string, KubeObject>
  /** `POST /path` in the order of their coming. */
  requests: string[]
  /** Answers instead of the store where it returns something. */
  intercept: (request: { method: string; path: string; token?: string; body?: KubeObject }) => object | undefined
  put: (path: string, object: object) => KubeObject
  remove: (path: string) => void
  /** Ends every watch, as a cut connection. */
  cut: () => void
  /** Forgets what was: a watch from before is answered with 410. */
  compact: () => void
  /** Resolves with the first answer that is not undefined, looking again after each change or request. */
  until: <T>(look: () => T | undefined, what: string) => Promise<T>
  close: () => void
}

const DEADLINE_MS = 10_000

/** `path` is that of a collection or object without the namespace taken out: watches match by prefix and plural. */
export async function objectServer(): Promise<ObjectServer> {
  const objects = new Map<string, KubeObject>()
  const watches = new Set<{ matches: (path: string) => boolean; response: ServerResponse }>()
  const lookers = new Set<() => void>()
  const log: { revision: number; type: string; path: string; object: KubeObject }[] = []
  let revision = 1
  let oldest = 0
  const changed = (): void => lookers.forEach((look) => look())

  const write = (path: string, type: string, object: KubeObject): KubeObject => {
    const stored = structuredClone(object)
    stored.metadata.resourceVersion = String(++revision)
    if (type === 'DELETED') objects.delete(path)
    else objects.set(path, stored)
    log.push({ revision, type, path, object: stored })
    for (const { matches, response } of watches) {
      if (matches(path)) response.write(`${JSON.stringify({ type, object: stored })}\n`)
    }
    changed()
    return stored
  }
  const put = (path: string, object: object): KubeObject => {
    const given = object as KubeObject
    const name = path.split('/').at(-1) ?? ''
    const namespace = /\/namespaces\/([^/]+)\/[^/]+\/[^/]+$/.exec(path)?.[1]
    const metadata = { uid: randomUUID(), ...given.metadata, name, ...(namespace ? { namespace } : {}) }
    return write(path, objects.has(path) ? 'MODIFIED' : 'ADDED', { ...given, metadata })
  }
  const remove = (path: string): void => {
    const object = objects.get(path)
    if (object) write(path, 'DELETED', object)
  }

  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => answer(request, response, body))
  })
  const reply = (response: ServerResponse, code: number, body: object): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, code: number, reason: string): void =>
    reply(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message: reason, code })

  function answer(request: IncomingMessage, response: ServerResponse, body: KubeObject | undefined): void {
    const method = request.method ?? 'GET'
    const url = new URL(request.url ?? '/', 'http://x')
    const path = url.pathname
    api.requests.push(`${method} ${path}`)
    changed()
    const token = request.headers.authorization?.replace('Bearer ', '')
    const given = api.intercept({ method, path, ...(token ? { token } : {}), ...(body ? { body } : {}) })
    if (given) return reply(response, (given as { code?: number }).code ?? 200, given)
    if (method === 'POST') return post(response, path, body)
    const at = path.replace(/\/(status|finalize)$/, '')
    const held = objects.get(at)
    if (held && method === 'GET') return reply(response, 200, held)
    if (!held && method === 'GET' && isCollection(path)) return read(response, url)
    if (!held) return refuse(response, 404, 'NotFound')
    if (method === 'DELETE') {
      remove(at)
      return reply(response, 200, held)
    }
    const sent = body?.metadata?.resourceVersion
    if (sent && sent !== held.metadata.resourceVersion) return refuse(response, 409, 'Conflict')
    const next = method === 'PATCH' ? (merge(held, body) as KubeObject) : (body ?? held)
    reply(response, 200, write(at, 'MODIFIED', next))
  }

  function post(response: ServerResponse, path: string, body: KubeObject | undefined): void {
    if (!body) return refuse(response, 400, 'BadRequest')
    if (path.endsWith('/binding')) {
      const at = path.replace(/\/binding$/, '')
      const pod = objects.get(at)
      if (!pod) return refuse(response, 404, 'NotFound')
      const { name } = body['target'] as { name: string }
      write(at, 'MODIFIED', { ...pod, spec: { ...(pod['spec'] as object), nodeName: name } })
      return reply(response, 201, { kind: 'Status', status: 'Success' })
    }
    const at = `${path}/${body.metadata.name}`
    if (objects.has(at)) return refuse(response, 409, 'AlreadyExists')
    reply(response, 201, put(at, body))
  }

  function read(response: ServerResponse, url: URL): void {
    const plural = url.pathname.split('/').at(-1) ?? ''
    const group = url.pathname.replace(/\/(namespaces\/[^/]+\/)?[^/]+$/, '')
    const matches = (path: string): boolean => {
      const [name, kind] = path.split('/').toReversed()
      return Boolean(name) && kind === plural && path.startsWith(`${group}/`)
    }
    if (!url.searchParams.has('watch')) {
      const items = [...objects].filter(([path]) => matches(path)).map(([, object]) => object)
      return reply(response, 200, {
        kind: 'List',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(revision) },
        items,
      })
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const from = Number(url.searchParams.get('resourceVersion'))
    if (from < oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    }
    for (const { type, path, object, revision: at } of log) {
      if (at > from && matches(path)) response.write(`${JSON.stringify({ type, object })}\n`)
    }
    const watch = { matches, response }
    watches.add(watch)
    response.on('close', () => watches.delete(watch))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const api: ObjectServer = {
    url: `http://127.0.0.1:${port}`,
    objects,
    requests: [],
    intercept: () => undefined,
    put,
    remove,
    cut: () => watches.forEach(({ response }) => response.socket?.destroy()),
    compact: () => (oldest = ++revision),
    until: (look, what) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => end(() => reject(new Error(`waited in vain: ${what}`))), DEADLINE_MS)
        const end = (how: () => void): void => {
          clearTimeout(timer)
          lookers.delete(again)
          how()
        }
        const again = (): void => {
          const found = look()
          if (found !== undefined) end(() => resolve(found))
        }
        lookers.add(again)
        again()
      }),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return api
}

function isCollection(path: string): boolean {
  return /\/[a-z]+s$/.test(path)
}

async function bodyOf(request: IncomingMessage): Promise<KubeObject | undefined> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string
  return text === '' ? undefined : (JSON.parse(text) as KubeObject)
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = { ...(target as object) }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merge(result[key] ?? {}, value)
  }
  return result
}

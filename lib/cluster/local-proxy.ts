/** `kubectl proxy` (kubectl/pkg/proxy): plain HTTP at its local end, the administrator's credential at the other. */
import { createServer } from 'node:http'
import type { KubeClient } from '../kube/client.ts'
import { assertLoopback } from '../tls/loopback.ts'

export type ProxyListen = { address: string; port: number } | { socket: string }

export interface LocalProxy {
  close(): Promise<void>
}

/** kubectl's own default, `--accept-hosts`: a page in a browser that was rebound to this address sends its own name. */
const ACCEPTED_HOSTS = /^localhost$|^127(\.\d+){3}$|^\[::1\]$/

export async function openLocalProxy(client: KubeClient, listen: ProxyListen): Promise<LocalProxy> {
  const server = createServer((request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '')
    if (!ACCEPTED_HOSTS.test(host)) {
      response.writeHead(403, { 'Content-Type': 'text/plain' }).end('Forbidden')
      return
    }
    client.request({ method: request.method ?? 'GET', path: request.url ?? '/' }).then(
      ({ status, text }) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(text),
      () => response.writeHead(502).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if ('socket' in listen) server.listen(listen.socket, resolve)
    else {
      assertLoopback(listen.address, 'listen on')
      server.listen(listen.port, listen.address, resolve)
    }
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

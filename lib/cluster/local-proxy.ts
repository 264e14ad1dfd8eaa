/** `kubectl proxy` (kubectl/pkg/proxy): plain HTTP at its local end, the administrator's credential at the other. */
import { createServer } from 'node:http'
import type { KubeClient } from '../kube/client.ts'
import { assertLoopback } from '../tls/loopback.ts'
import { endsOf } from '../tls/plain.ts'
import type { WitnessFacts } from './witness.ts'

export interface ProxyOptions {
  listen: { address: string; port: number } | { socket: string }
  /** `--disable-filter`: whatever host is asked for. */
  disableFilter?: boolean
  /** Hears whom it turned away. */
  witness?: (facts: WitnessFacts) => void
}

export interface LocalProxy {
  close(): Promise<void>
}

/** kubectl's own default, `--accept-hosts`: a page in a browser that was rebound to this address sends its own name. */
const ACCEPTED_HOSTS = /^localhost$|^127(\.\d+){3}$|^\[::1\]$/

export async function openLocalProxy(
  client: KubeClient,
  { listen, disableFilter = false, witness = () => {} }: ProxyOptions,
): Promise<LocalProxy> {
  const server = createServer((request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '')
    if (!disableFilter && !ACCEPTED_HOSTS.test(host)) {
      const [layer, code] = ['app', 'Forbidden'] as const
      witness({ about: 'request', decision: 'refuse', ...endsOf(request.socket), layer, code, text: `Host: ${host}` })
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
  // It ends with the run at the latest.
  server.unref()
  return {
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

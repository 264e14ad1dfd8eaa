/** How a client of a kubelet changes to SPDY or WebSocket: apimachinery/pkg/util/httpstream/{httpstream,spdy}, cri-streaming. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { refuseWebSocket } from '../../../lib/kube/websocket.ts'
import { answer, httpError } from './answer.ts'

export interface Upgrade {
  /** The connection, which the response has nothing more to do with. */
  take: () => Duplex
  head: Buffer
}

export interface UpgradeCall {
  request: IncomingMessage
  response: ServerResponse
  upgrade: Upgrade | undefined
}

export function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Whether anything was asked to change; if not, that is answered. */
export function assertUpgrade({ response, upgrade }: UpgradeCall): boolean {
  if (!upgrade) httpError(response, 500, 'Upgrade request required')
  return upgrade !== undefined
}

/** Whether the WebSocket may be opened with the subprotocol that was agreed upon; if not, that is answered. */
export function assertWebSocket({ request, response }: UpgradeCall, protocol: string | undefined): boolean {
  const refused = refuseWebSocket(request, protocol)
  if (!refused) return true
  const headers = Object.fromEntries(refused.headers.map((line) => line.split(': ') as [string, string]))
  answer(response, refused.status, refused.body, headers)
  return false
}

/** Answers 101 to the first version that both know and hands over the connection; what is wrong is answered, with undefined. */
export function upgradeToSpdy<Version extends string>(
  { request, response, upgrade }: UpgradeCall,
  accepted: readonly Version[],
): { transport: Duplex; version: Version } | undefined {
  const offered = request.headers['x-stream-protocol-version']
  if (offered === undefined) {
    const count = Object.keys(request.headers).filter((name) => name !== 'host').length
    const text = `unable to upgrade: header X-Stream-Protocol-Version does not exist in request with ${count} headers`
    httpError(response, 400, text)
    return undefined
  }
  const versions = [offered].flat().flatMap((each) => each.split(',').map((version) => version.trim()))
  const version = versions.map((each) => accepted.find((own) => own === each)).find((each) => each !== undefined)
  if (version === undefined) {
    const text = `unable to upgrade: unable to negotiate protocol: client supports [${versions.join(' ')}], server accepts [${accepted.join(' ')}]`
    response.setHeader('X-Accepted-Stream-Protocol-Versions', accepted.join(', '))
    httpError(response, 403, text)
    return undefined
  }
  if (!/\bspdy\/3\.1\b/i.test(request.headers.upgrade ?? '')) {
    const connection = `Connection: ${request.headers.connection ?? ''}`
    httpError(response, 400, `unable to upgrade: missing upgrade headers in request: ${connection}`)
    return undefined
  }
  if (!upgrade) return undefined
  const transport = upgrade.take()
  const head = ['Connection: Upgrade', 'Upgrade: SPDY/3.1', `X-Stream-Protocol-Version: ${version}`]
  transport.write(
    `HTTP/1.1 101 Switching Protocols\r\n${head.join('\r\n')}\r\nDate: ${new Date().toUTCString()}\r\n\r\n`,
  )
  if (upgrade.head.length > 0) transport.unshift(upgrade.head)
  return { transport, version }
}

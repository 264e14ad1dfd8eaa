/** /portForward: connections to the ports of a Pod. pkg/kubelet/server/server.go, cri-streaming's portforward. */
import {
  PORT_FORWARD_PROTOCOL,
  PORT_FORWARD_TUNNEL,
  PORT_FORWARD_WEBSOCKET_PROTOCOLS,
  servePortForward,
  serveWebSocketPortForward,
  type ConnectPort,
} from '../../../lib/kube/port-forward.ts'
import { acceptWebSocket, offeredProtocols, webSocketStream } from '../../../lib/kube/websocket.ts'
import type { PodWorker } from '../pods/pod-worker.ts'
import { answer } from './answer.ts'
import { assertUpgrade, assertWebSocket, isWebSocket, upgradeToSpdy, type UpgradeCall } from './upgrade.ts'

export interface PortForwardCall extends UpgradeCall {
  query: URLSearchParams
  worker: PodWorker
  /** Every piece that crosses, either way. */
  onBytes: (bytes: Buffer) => void
}

const MOST_PORT = 65_535

export function portForward(call: PortForwardCall): void {
  const { request, response, upgrade, query } = call
  if (!assertUpgrade(call) || !upgrade) return
  const connect = connector(call)
  if (!isWebSocket(request)) {
    const spdy = upgradeToSpdy(call, [PORT_FORWARD_PROTOCOL])
    if (spdy) servePortForward(spdy.transport, connect)
    return
  }
  const offered = offeredProtocols(request)
  if (offered.includes(PORT_FORWARD_TUNNEL)) {
    if (!assertWebSocket(call, PORT_FORWARD_TUNNEL)) return
    return acceptWebSocket(request, upgrade.take(), upgrade.head, PORT_FORWARD_TUNNEL, (webSocket) =>
      servePortForward(webSocketStream(webSocket), connect),
    )
  }
  const ports = portsOf(query)
  if (typeof ports === 'string') return answer(response, 400, ports)
  const protocol =
    PORT_FORWARD_WEBSOCKET_PROTOCOLS.find((each) => offered.includes(each)) ?? (offered.length === 0 ? '' : undefined)
  if (!assertWebSocket(call, protocol)) return
  acceptWebSocket(request, upgrade.take(), upgrade.head, protocol, (webSocket) =>
    serveWebSocketPortForward(webSocket, protocol === 'v4.base64.channel.k8s.io', ports, connect),
  )
}

/** What is wrong with them, or the ports that a WebSocket asks for in its query. */
function portsOf(query: URLSearchParams): number[] | string {
  const texts = query.getAll('port')
  if (texts.length === 0) return 'query parameter "port" is required'
  const ports: number[] = []
  for (const text of texts) {
    if (text === '') return 'query parameter "port" cannot be empty'
    for (const each of text.split(',')) {
      const quoted = JSON.stringify(each)
      const why = !/^\d+$/.test(each) ? 'invalid syntax' : Number(each) > MOST_PORT ? 'value out of range' : undefined
      if (why) return `unable to parse ${JSON.stringify(text)} as a port: strconv.ParseUint: parsing ${quoted}: ${why}`
      if (Number(each) < 1) return `port ${JSON.stringify(text)} must be > 0`
      ports.push(Number(each))
    }
  }
  return ports
}

/** containerd's words for a port where nothing listens. */
function connector({ worker, onBytes }: PortForwardCall): ConnectPort {
  const { network, sandboxId, sandboxNetwork } = worker
  return async (port) => {
    const connection = network.connect(port)
    if (!connection) {
      const inside = `failed to connect to localhost:${port} inside namespace "${sandboxId}"`
      throw new Error(
        `error forwarding port ${port} to pod ${sandboxId}, uid : failed to execute portforward in network namespace "${sandboxNetwork}": ${inside}, IPv4: dial tcp4 127.0.0.1:${port}: connect: connection refused`,
      )
    }
    return {
      ...connection,
      output: heard(connection.output, onBytes),
      write: (bytes) => {
        onBytes(bytes)
        connection.write(bytes)
      },
    }
  }
}

async function* heard(output: AsyncIterable<Buffer>, onBytes: (bytes: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const piece of output) {
    onBytes(piece)
    yield piece
  }
}

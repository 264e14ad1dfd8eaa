/**
 * WebSockets for a kubelet that takes SPDY only: v5 exec and attach end here and go on as SPDY streams, a port-forward's tunnel is
 * unwrapped. apiserver/pkg/util/proxy/{streamtranslator,streamtunnel}.go.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { witnessCanaries } from '../../../lib/cluster/canary-witness.ts'
import type { ExecProtocol, ExecSession } from '../../../lib/kube/exec-session.ts'
import { openSpdyExec, SPDY_EXEC_PROTOCOLS } from '../../../lib/kube/exec-spdy.ts'
import { internalFailure, translatedStatus } from '../../../lib/kube/exec-translation.ts'
import { acceptExec } from '../../../lib/kube/exec-websocket.ts'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import { PORT_FORWARD_PROTOCOL, PORT_FORWARD_TUNNEL } from '../../../lib/kube/port-forward.ts'
import { acceptWebSocket, webSocketStream } from '../../../lib/kube/websocket.ts'
import { endsOf } from '../../../lib/tls/plain.ts'
import type { KubeletRequest } from '../contract.ts'
import type { Headers } from './forwarded-headers.ts'
import type { KubeletAddress } from './kubelet-address.ts'
import { hostPort } from './kubelet-address.ts'
import { readText } from './kubelet-answer.ts'
import { DialError } from './kubelet-dialer.ts'
import type { KubeletAnswer } from './kubelet-request.ts'
import { askKubelet, ExchangeError } from './kubelet-request.ts'

type Upgrade = NonNullable<KubeletRequest['upgrade']>

export interface TranslatedExec {
  request: IncomingMessage
  upgrade: Upgrade
  address: KubeletAddress
  /** At the kubelet. */
  path: string
  /** Rejects with a DialError. */
  dial: () => Promise<Socket>
}

/** What the kubelet has to be offered; it takes the second. */
const OFFERED: ExecProtocol[] = ['v5.channel.k8s.io', ...SPDY_EXEC_PROTOCOLS]

/** The client has its 101 before the kubelet is asked, so whatever goes wrong is a Status on its error channel. */
export function translateExec(translated: TranslatedExec): void {
  const { request, upgrade } = translated
  acceptExec(request, upgrade.socket, upgrade.head, (session) => {
    carry(session, translated).catch((error: Error) => session.end(internalFailure(error.message)))
  })
}

async function carry(session: ExecSession, { address, path, dial }: TranslatedExec): Promise<void> {
  const asking = (why: string, url = `https://${hostPort(address)}${path}`): Error =>
    new Error(`error sending request: Post ${goQuote(url)}: ${why}`)
  const headers: Headers = {
    Host: hostPort(address),
    'User-Agent': 'Go-http-client/1.1',
    'Content-Length': '0',
    Connection: 'Upgrade',
    Upgrade: 'SPDY/3.1',
    'X-Stream-Protocol-Version': OFFERED,
  }
  let answer: KubeletAnswer
  try {
    answer = await askKubelet({ socket: await dial(), method: 'POST', path, headers })
  } catch (error) {
    if (error instanceof ExchangeError) throw asking(error.kind === 'eof' ? 'unexpected EOF' : error.message)
    if (error instanceof DialError) throw asking(error.message)
    throw error
  }
  const { response } = answer
  if (answer.kind !== 'upgraded') {
    const { statusCode = 0, headers: said } = response
    const isRedirect = statusCode >= 300 && statusCode < 400 && said.location !== undefined
    if (isRedirect) response.socket.destroy()
    if (isRedirect) throw asking('redirect not allowed', said.location)
    throw new Error(`unable to upgrade connection: ${(await readText(response)).trim()}`)
  }
  const kubelet = answer.socket as Socket
  const ends = endsOf(kubelet)
  if (answer.head.length > 0) kubelet.unshift(answer.head)
  const query = new URLSearchParams(path.split('?')[1] ?? '')
  const protocol = response.headers['x-stream-protocol-version']
  const client = openSpdyExec(kubelet, {
    stdin: query.has('input'),
    stdout: query.has('output'),
    stderr: query.has('error'),
    tty: query.has('tty'),
    // a server of before versions says nothing and means the first
    protocol: SPDY_EXEC_PROTOCOLS.find((each) => each === protocol) ?? 'channel.k8s.io',
    onBytes: (stream, bytes) => {
      witnessCanaries(bytes, ends)
      session.write(stream, bytes)
    },
  })
  session.signal.addEventListener('abort', () => client.close(), { once: true })
  session.onResize(({ columns, rows }) => {
    client.resize?.write(Buffer.from(`${JSON.stringify({ Width: columns, Height: rows })}\n`))
  })
  void typed(session, client.stdin)
  session.end(translatedStatus(await client.status))
  client.close()
}

async function typed(
  session: ExecSession,
  stdin: { write: (bytes: Buffer) => void; end: () => void } | undefined,
): Promise<void> {
  for await (const bytes of session.stdin) stdin?.write(bytes)
  stdin?.end()
}

/** The tunnel's headers to the kubelet: a WebSocket's are gone, SPDY's come in their place. */
export function tunnelHeaders(forwarded: Headers): Headers {
  const kept = Object.entries(forwarded).filter(([name]) => !name.toLowerCase().startsWith('sec-websocket-'))
  return {
    ...Object.fromEntries(kept),
    'Content-Length': '0',
    Upgrade: 'SPDY/3.1',
    'X-Stream-Protocol-Version': PORT_FORWARD_PROTOCOL,
  }
}

/** Joins a client's tunnel and a kubelet's SPDY connection, once the kubelet has said 101. */
export function joinTunnel(request: IncomingMessage, upgrade: Upgrade, kubelet: Socket, kubeletHead: Buffer): void {
  const ends = endsOf(kubelet)
  acceptWebSocket(request, upgrade.socket, upgrade.head, PORT_FORWARD_TUNNEL, (webSocket) => {
    const client = webSocketStream(webSocket)
    if (kubeletHead.length > 0) kubelet.unshift(kubeletHead)
    kubelet.on('data', (bytes: Buffer) => witnessCanaries(bytes, ends))
    for (const [one, other] of [
      [client, kubelet],
      [kubelet, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
  })
}

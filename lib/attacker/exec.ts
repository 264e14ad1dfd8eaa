/** exec through a WebSocket by somebody who verifies nobody: at a kubelet, or at the API. */
import { ExecRefused, execOverWebSocket } from '../kube/exec-websocket.ts'
import { refusalOf } from '../tls/refusal.ts'
import { dialBase, statusFacts, type Caller } from './request.ts'
import type { Observation } from './world.ts'

export interface ExecRequest {
  /** With its query. */
  path: string
  as?: string
  stdin?: string
}

export interface ExecReply {
  stdout: string
  stderr: string
}

export async function execOnce(baseUrl: string, request: ExecRequest, caller: Caller): Promise<ExecReply> {
  const { host } = new URL(baseUrl)
  const seen: Observation = { remote: host }
  try {
    const socket = await dialBase(baseUrl, caller)
    seen.local = `${socket.localAddress}:${socket.localPort}`
    const result = await execOverWebSocket({
      socket,
      host,
      path: request.path,
      headers: caller.token ? { Authorization: `Bearer ${caller.token}` } : {},
      ...(request.stdin === undefined ? {} : { stdin: request.stdin }),
    })
    caller.observe({ ...seen, status: 101 })
    return { stdout: result.stdout.toString('utf8'), stderr: result.stderr.toString('utf8') }
  } catch (error) {
    if (error instanceof ExecRefused) {
      caller.observe({ ...seen, ...statusFacts({ status: error.status, headers: {}, body: error.body }) })
      return { stdout: '', stderr: '' }
    }
    const refusal = refusalOf(error, { subject: host })
    caller.observe({
      ...seen,
      code: refusal.code,
      text: refusal.message,
      ...(refusal.layer ? { layer: refusal.layer } : {}),
    })
    return { stdout: '', stderr: '' }
  }
}

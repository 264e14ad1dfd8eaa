/** A GET whose answer does not end by itself, listened to for a while. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { dialBase, refusalFacts, type Caller } from './request.ts'

export interface FollowRequest {
  path: string
  headers?: Record<string, string>
  as?: string
  forMs: number
  /** Enough was heard. */
  until?: (piece: Buffer) => boolean
}

export interface Followed {
  /** Undefined where no answer came; the observation says why. */
  status?: number
  pieces: Buffer[]
}

export async function follow(baseUrl: string, request: FollowRequest, caller: Caller): Promise<Followed> {
  const { host } = new URL(baseUrl)
  const heard: Followed = { pieces: [] }
  try {
    const socket = await dialBase(baseUrl, caller)
    const local = `${socket.localAddress}:${socket.localPort}`
    const timer = setTimeout(() => socket.destroy(), request.forMs)
    const outgoing = httpRequest({
      createConnection: () => socket,
      path: request.path,
      headers: { Host: host, ...request.headers },
    })
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.on('response', resolve)
        outgoing.on('error', reject)
        outgoing.end()
      })
      heard.status = response.statusCode ?? 0
      caller.observe({ local, remote: host, status: heard.status })
      // Whoever ends it, what was heard was heard.
      response.on('error', () => {})
      for await (const piece of response as AsyncIterable<Buffer>) {
        heard.pieces.push(piece)
        if (request.until?.(piece)) break
      }
    } finally {
      clearTimeout(timer)
      socket.destroy()
    }
  } catch (error) {
    if (heard.status === undefined) caller.observe(refusalFacts(error, host))
  }
  return heard
}

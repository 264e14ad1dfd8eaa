/** What the leader alone knows, asked of it over its peer port (server/etcdserver/v3_server.go, LeaseRenew and its kin). */
import { setTimeout as pause } from 'node:timers/promises'
import type { Members } from '../cluster/members.ts'
import { ERRORS } from '../errors.ts'
import { exchange, PeerConnections, type PeerAnswer, type PeerDialing } from '../peer/peer-connection.ts'

export interface LeaderLinkOptions {
  dialing: PeerDialing
  members: Members
  /** 0n: nobody leads. */
  leader: () => bigint
  /** How long a caller is kept waiting for a leader that answers. */
  requestTimeoutMs: number
}

export interface LeaderQuestion {
  path: string
  body?: Buffer
  headers?: Record<string, string>
}

/** Between two rounds that nobody answered. */
const RETRY_MS = 50

export class LeaderLink {
  readonly #options: LeaderLinkOptions
  readonly #agent: PeerConnections

  constructor(options: LeaderLinkOptions) {
    this.#options = options
    this.#agent = new PeerConnections(options.dialing)
  }

  /** Asks whoever leads until `read` makes something of an answer: undefined asks again. @throws GrpcError */
  async ask<T>({ path, body, headers }: LeaderQuestion, read: (answer: PeerAnswer) => T | undefined): Promise<T> {
    const { members, leader, requestTimeoutMs } = this.#options
    const endMs = Date.now() + requestTimeoutMs
    let hasLeader = false
    while (Date.now() < endMs) {
      const urls = members.get(leader())?.peerUrls ?? []
      hasLeader = urls.length > 0
      for (const url of urls) {
        const question = { method: 'POST', url, path, headers: headers ?? {} } as const
        const answer = await exchange(this.#agent, question, body ?? Buffer.alloc(0), endMs - Date.now()).catch(
          () => undefined,
        )
        const result = answer && read(answer)
        if (result !== undefined) return result
      }
      await pause(RETRY_MS)
    }
    throw hasLeader ? ERRORS.timeout() : ERRORS.noLeader()
  }

  close(): void {
    this.#agent.destroy()
  }
}

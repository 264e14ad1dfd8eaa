/** Messages for which there is no stream, each with a POST of its own (rafthttp/pipeline.go), and snapshots. */
import { Readable } from 'node:stream'
import { hexOf, type Message, type NodeId } from '../raft/message.ts'
import { identityHeaders, type PeerIdentity } from './identity.ts'
import { messageFrame } from './message-stream.ts'
import { answerOf, exchange, startRequest, type PeerAnswer, type PeerConnections } from './peer-connection.ts'
import { encodeMessage } from './raft-message.ts'

/** Posts under way and waiting; more is lost (pipelineBufSize). */
const MOST_POSTS = 64
const POST_TIMEOUT_MS = 5000

/** The answer of a member to whom this one no longer exists. */
export class RemovedError extends Error {
  constructor() {
    super('the member has been permanently removed from the cluster')
  }
}

export class Pipeline {
  readonly #agent: PeerConnections
  readonly #identity: PeerIdentity
  readonly #peer: NodeId
  readonly #url: () => string
  readonly #onSent: (bytes: number) => void
  #underWay = 0

  constructor(
    agent: PeerConnections,
    options: { identity: PeerIdentity; peer: NodeId; url: () => string; onSent?: (bytes: number) => void },
  ) {
    this.#agent = agent
    this.#identity = options.identity
    this.#peer = options.peer
    this.#url = options.url
    this.#onSent = options.onSent ?? (() => {})
  }

  /** Resolves once the peer has taken it. @throws Error, among them RemovedError and a Refusal. */
  async post(message: Message): Promise<void> {
    if (this.#underWay >= MOST_POSTS) throw new Error('sending buffer is full')
    this.#underWay++
    try {
      const request = this.#request('/raft', 'application/protobuf')
      const bytes = encodeMessage(message)
      this.#check(await exchange(this.#agent, request, bytes, POST_TIMEOUT_MS), request)
      this.#onSent(bytes.length)
    } finally {
      this.#underWay--
    }
  }

  /** `database` follows the message (rafthttp/snapshot_sender.go). */
  async postSnapshot(message: Message, database: Readable): Promise<void> {
    const request = this.#request('/raft/snapshot', 'application/octet-stream')
    const outgoing = startRequest(this.#agent, request)
    const answer = new Promise<PeerAnswer>((resolve, reject) => {
      outgoing.on('error', reject)
      outgoing.once('response', (incoming) => void answerOf(incoming).then(resolve, reject))
    })
    database.once('error', (error) => outgoing.destroy(error))
    outgoing.write(messageFrame(message))
    database.pipe(outgoing)
    this.#check(await answer, request)
  }

  #request(path: string, type: string) {
    const headers = { 'Content-Type': type, ...identityHeaders(this.#identity) }
    return { method: 'POST' as const, url: this.#url(), path, headers }
  }

  #check({ status, body }: PeerAnswer, { url, path }: { url: string; path: string }): void {
    if (status === 204) return
    if (status === 403) throw new RemovedError()
    if (status !== 412) throw new Error(`unexpected http status ${status} while posting to "${url}${path}"`)
    const said = body.toString('utf8').trimEnd()
    if (said === 'incompatible version' || said === 'cluster ID mismatch') throw new Error(said)
    throw new Error(`unhandled error ${JSON.stringify(body)} when precondition failed (peer ${hexOf(this.#peer)})`)
  }
}

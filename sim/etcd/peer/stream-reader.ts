/** One of the two streams on which a peer speaks to this member, dialled anew whenever it breaks (rafthttp/stream.go, streamReader). */
import type { IncomingMessage } from 'node:http'
import { hexOf, type Message, type NodeId } from '../raft/message.ts'
import { identityHeaders, type PeerIdentity } from './identity.ts'
import { decoderOf, isLinkHeartbeat, type StreamKind } from './message-stream.ts'
import { answerOf, PeerConnections, startRequest, type PeerDialing } from './peer-connection.ts'
import { witnessEntries } from './witness-entries.ts'

/** Ten times a second at most (rafthttp.Transport, DialRetryFrequency). */
const RETRY_MS = 100
/** Without a byte for so long the other side is gone. */
const READ_TIMEOUT_MS = 5000

export interface StreamReaderOptions {
  kind: StreamKind
  peer: NodeId
  identity: PeerIdentity
  dialing: PeerDialing
  url: () => string
  onMessage: (message: Message) => void
  onBytes: (bytes: number) => void
  onOpen: () => void
  /** It could not be opened, or broke. `why` is what etcd's log says. */
  onLost: (why: { stage: 'dial' | 'read'; error: string }) => void
  onUnreachableUrl: (url: string) => void
  onRemoved: () => void
}

export class StreamReader {
  readonly #options: StreamReaderOptions
  readonly #agent: PeerConnections
  #timer: NodeJS.Timeout | undefined
  #incoming: IncomingMessage | undefined
  #isStopped = false

  constructor(options: StreamReaderOptions) {
    this.#options = options
    // A stream takes its connection with it.
    this.#agent = new PeerConnections(options.dialing, { keepAlive: false })
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#incoming?.destroy()
    this.#agent.destroy()
  }

  async #run(): Promise<void> {
    const startedMs = Date.now()
    const url = this.#options.url()
    try {
      const incoming = await this.#open(url)
      if (this.#isStopped) return void incoming.destroy()
      this.#options.onOpen()
      await this.#read(incoming)
      this.#lost('read', 'EOF')
    } catch (error) {
      const stage = this.#incoming ? 'read' : 'dial'
      if (stage === 'dial') this.#options.onUnreachableUrl(url)
      this.#lost(stage, error instanceof Error ? error.message : String(error))
    }
    this.#incoming = undefined
    if (this.#isStopped) return
    this.#timer = setTimeout(() => void this.#run(), Math.max(0, startedMs + RETRY_MS - Date.now()))
  }

  #lost(stage: 'dial' | 'read', error: string): void {
    if (!this.#isStopped) this.#options.onLost({ stage, error })
  }

  async #open(url: string): Promise<IncomingMessage> {
    const { kind, peer, identity, onRemoved } = this.#options
    const outgoing = startRequest(this.#agent, {
      method: 'GET',
      url,
      path: `/raft/stream/${kind}/${hexOf(identity.id)}`,
      headers: identityHeaders(identity, peer),
    })
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on('error', reject)
      outgoing.setTimeout(READ_TIMEOUT_MS, () => outgoing.destroy(new Error('i/o timeout')))
      outgoing.once('response', resolve)
      outgoing.end()
    })
    if (incoming.statusCode === 200) return incoming
    const { status, body } = await answerOf(incoming)
    if (status === 410) {
      onRemoved()
      throw new Error('the member has been permanently removed from the cluster')
    }
    if (status === 404) throw new Error(`peer ${hexOf(peer)} failed to find local node ${hexOf(identity.id)}`)
    if (status !== 412) throw new Error(`unhandled http status ${status}`)
    const said = body.toString('utf8').trimEnd()
    if (said === 'incompatible version' || said === 'cluster ID mismatch') throw new Error(said)
    throw new Error(`unhandled error ${JSON.stringify(body)} when precondition failed`)
  }

  async #read(incoming: IncomingMessage): Promise<void> {
    const { kind, peer, identity, onMessage, onBytes } = this.#options
    this.#incoming = incoming
    const decoder = decoderOf(kind, identity.id, peer)
    for await (const piece of incoming) {
      onBytes((piece as Buffer).length)
      for (const message of decoder.push(piece as Buffer)) {
        if (isLinkHeartbeat(message)) continue
        witnessEntries(message, incoming.socket)
        onMessage(message)
      }
    }
  }
}

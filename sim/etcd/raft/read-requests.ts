/** Linearizable reads that wait for proof that their leader still leads (Raft thesis section 6.4). */
import type { Configuration } from './configuration.ts'
import type { Message, NodeId } from './message.ts'

/** A read may be answered from a state that holds everything up to `index`. */
export interface ReadState {
  index: number
  context: Buffer
}

interface Waiting {
  /** As the request came, to know whom to answer. */
  request: Message
  index: number
  acknowledged: Map<NodeId, boolean>
}

export class ReadRequests {
  /** In the order they came; keyed by their context. */
  readonly #waiting = new Map<string, Waiting>()

  /** What the next heartbeat asks: an answer to the last request answers all before it. */
  get lastContext(): Buffer | undefined {
    let last: Waiting | undefined
    for (const waiting of this.#waiting.values()) last = waiting
    return last && contextOf(last.request)
  }

  add(request: Message, index: number, self: NodeId): void {
    const key = contextOf(request).toString('latin1')
    if (this.#waiting.has(key)) return
    this.#waiting.set(key, { request, index, acknowledged: new Map([[self, true]]) })
  }

  /** A member has answered a heartbeat that carried `context`: the requests that are proven by it. */
  acknowledge(from: NodeId, context: Buffer, configuration: Configuration): { request: Message; index: number }[] {
    const key = context.toString('latin1')
    const asked = this.#waiting.get(key)
    if (!asked) return []
    asked.acknowledged.set(from, true)
    if (configuration.result(asked.acknowledged) !== 'won') return []
    const proven: Waiting[] = []
    for (const [name, waiting] of this.#waiting) {
      this.#waiting.delete(name)
      proven.push(waiting)
      if (name === key) break
    }
    return proven
  }

  clear(): void {
    this.#waiting.clear()
  }
}

export function contextOf(request: Message): Buffer {
  return request.entries[0]?.data ?? request.context
}

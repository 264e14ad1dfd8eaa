/**
 * The ports of one Pod: its containers share them, and nobody reaches them but a port-forward. They are functions: nothing here
 * listens on any address of the machine.
 */
import { ByteQueue } from '../../../lib/kube/byte-queue.ts'
import type { PortConnection } from '../../../lib/kube/port-forward.ts'

/** A connection as the program sees it that accepted it. */
export interface Accepted {
  input: ByteQueue
  write(bytes: Buffer): void
  end(): void
}

export type PortServer = (connection: Accepted) => void

export class PodNetwork {
  readonly #servers = new Map<number, PortServer>()
  /** What answers where no program does. */
  readonly #stand = new Map<number, PortServer>()

  /** Undefined where another program has the port; else what gives it back. */
  listen(port: number, server: PortServer): (() => void) | undefined {
    if (this.#servers.has(port)) return undefined
    this.#servers.set(port, server)
    return () => void this.#servers.delete(port)
  }

  /** Answers on a port as long as no program listens there. Answers what ends it. */
  standIn(port: number, server: PortServer): () => void {
    this.#stand.set(port, server)
    return () => void this.#stand.delete(port)
  }

  /** Undefined where nothing listens. */
  connect(port: number): PortConnection | undefined {
    const server = this.#servers.get(port) ?? this.#stand.get(port)
    if (!server) return undefined
    const input = new ByteQueue()
    const output = new ByteQueue()
    server({ input, write: (bytes) => output.push(bytes), end: () => output.end() })
    return {
      output,
      write: (bytes) => input.push(bytes),
      end: () => input.end(),
      destroy: () => {
        input.end()
        output.end()
      },
    }
  }
}

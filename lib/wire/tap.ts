import { closeSync, openSync, writevSync } from 'node:fs'
import type { Packet } from './conversation.ts'
import { linkName, type LinkFilter } from './link.ts'
import type { LedgerEntry } from './ledger.ts'
import { errorCode } from './wire-error.ts'
import { enhancedPacket, interfaceDescription, nameResolution, sectionHeader, type HostName } from './pcapng.ts'

export interface TapOptions {
  /** The capture ends before it would grow beyond this. Default 256 MiB. */
  limitBytes?: number
}

/** What a tap came to. */
export interface TapFacts {
  file: string
  /** Size of the capture. */
  bytes: number
  packets: number
  connections: number
  /** Packets were left out for the limit. */
  truncated: boolean
  /** The error code of a write that failed; the capture ends there. */
  failed?: string
}

const DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024

/** Written out at once beyond this much, and at the end of each turn of the event loop below it. */
const BUFFERED_BYTES = 1024 * 1024

/** Listens on the links that its filter names and writes what it hears to a pcapng file as it comes. */
export class Tap {
  readonly filter: LinkFilter
  readonly #file: string
  readonly #limitBytes: number
  readonly #descriptor: number
  readonly #heard = new Set<number>()
  #pending: Buffer[] = []
  #pendingBytes = 0
  #flushing = false
  #bytes = 0
  #packets = 0
  #truncated = false
  #failed: string | undefined
  #stopped = false

  /** Makes the capture anew, readable by its owner only. */
  constructor(filter: LinkFilter, file: string, options: TapOptions, names: readonly HostName[]) {
    this.filter = filter
    this.#file = file
    this.#limitBytes = options.limitBytes ?? DEFAULT_LIMIT_BYTES
    this.#descriptor = openSync(file, 'w', 0o600)
    const link = `${filter.from ?? 'any host'} -> ${filter.to ?? 'any host'}:${filter.port ?? 'any port'}`
    this.#append([sectionHeader('mtls-range wire'), interfaceDescription('wire', link)])
    this.names(names)
    this.#flush()
  }

  /** Hosts that joined the network. */
  names(names: readonly HostName[]): void {
    if (names.length > 0) this.#append([nameResolution(names)])
  }

  packets(entry: LedgerEntry, packets: readonly Packet[]): void {
    if (this.#stopped || this.#truncated || this.#failed !== undefined) return
    const timeUs = Math.round((performance.timeOrigin + performance.now()) * 1000)
    for (const packet of packets) {
      const comment = this.#heard.has(entry.id) ? undefined : `${linkName(entry)}, connection ${entry.id}`
      if (!this.#append(enhancedPacket(timeUs, packet.header, packet.payload, comment))) return
      this.#heard.add(entry.id)
      this.#packets += 1
    }
  }

  stop(): TapFacts {
    this.#flush()
    this.#stopped = true
    closeSync(this.#descriptor)
    return {
      file: this.#file,
      bytes: this.#bytes,
      packets: this.#packets,
      connections: this.#heard.size,
      truncated: this.#truncated,
      ...(this.#failed === undefined ? {} : { failed: this.#failed }),
    }
  }

  #append(pieces: readonly Buffer[]): boolean {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (this.#bytes + length > this.#limitBytes) {
      this.#truncated = true
      return false
    }
    this.#bytes += length
    this.#pending.push(...pieces)
    this.#pendingBytes += length
    if (this.#pendingBytes >= BUFFERED_BYTES) this.#flush()
    else if (!this.#flushing) {
      this.#flushing = true
      setImmediate(() => {
        this.#flushing = false
        this.#flush()
      })
    }
    return true
  }

  /** Synchronous, so that memory stays bounded however fast the link is, and the file is whole when asked for. */
  #flush(): void {
    if (this.#pending.length === 0 || this.#failed !== undefined) return
    const pieces = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    try {
      writevSync(this.#descriptor, pieces)
    } catch (error) {
      // A full disk must not take the network down with it.
      this.#failed = errorCode(error) ?? 'EIO'
    }
  }
}

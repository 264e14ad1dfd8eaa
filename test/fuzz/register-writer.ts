/**
 * One client with a key of its own, of which it knows to a hair what may be there. Each write holds only on what the writer
 * last saw, so that one which nobody answered can come late but not undo a later one.
 */
import type { GrpcClient } from '../../lib/etcd/grpc-client.ts'
import { Compare_CompareResult, Compare_CompareTarget, KV } from '../../lib/etcd/rpc_pb.ts'
import type { Random } from './random.ts'

/** What is there that cannot be: a lost write, or a stale read. */
export class Violation extends Error {}

export class RegisterWriter {
  readonly #key: Buffer
  /** After the last answer. */
  #agreed = ''
  #modRevision = 0n
  /** What writes without an answer may have made of it since. */
  readonly #pending = new Set<string>()
  #count = 0

  constructor(name: string) {
    this.#key = Buffer.from(name)
  }

  async write(client: GrpcClient, random: Random): Promise<void> {
    this.#count += 1
    const value = `${this.#count} ${'x'.repeat(random.chance(0.05) ? random.below(30_000) : random.below(300))}`
    this.#pending.add(value)
    const put = { case: 'requestPut' as const, value: { key: this.#key, value: Buffer.from(value) } }
    const get = { case: 'requestRange' as const, value: { key: this.#key } }
    const { succeeded, header, responses } = await client.unary(KV.method.txn, {
      compare: [
        {
          key: this.#key,
          target: Compare_CompareTarget.MOD,
          result: Compare_CompareResult.EQUAL,
          targetUnion: { case: 'modRevision', value: this.#modRevision },
        },
      ],
      success: [{ request: put }],
      failure: [{ request: get }],
    })
    if (succeeded) return this.#settle(value, header!.revision)
    // An earlier one came after all; this one has done nothing.
    this.#pending.delete(value)
    const { response } = responses[0]!
    if (response.case !== 'responseRange')
      throw new Violation(`${String(this.#key)}: a read was answered with ${response.case}`)
    this.#saw(response.value.kvs[0])
  }

  /** A linearizable read. */
  async read(client: GrpcClient): Promise<void> {
    const { kvs } = await client.unary(KV.method.range, { key: this.#key })
    this.#saw(kvs[0])
  }

  #saw(kv: { value: Uint8Array; modRevision: bigint } | undefined): void {
    const [value, modRevision] = kv ? [Buffer.from(kv.value).toString(), kv.modRevision] : ['', 0n]
    if (value === this.#agreed && modRevision === this.#modRevision) return
    if (this.#pending.has(value)) return this.#settle(value, modRevision)
    const show = (text: string): string => text.slice(0, 12).trimEnd() || 'nothing'
    throw new Violation(
      `${String(this.#key)}: ${show(value)} of revision ${modRevision}, acknowledged was ${show(this.#agreed)} of ${this.#modRevision}`,
    )
  }

  #settle(value: string, modRevision: bigint): void {
    this.#agreed = value
    this.#modRevision = modRevision
    this.#pending.clear()
  }
}

/** gRPC calls, as go-grpc-middleware's server metrics count them, and etcd's own of clients (api/v3rpc/metrics.go). */
import type { DescMethod } from '@bufbuild/protobuf'
import { GRPC_CODES, type GrpcCode } from '../../../lib/etcd/grpc-status.ts'
import { Counter, Histogram, type Cell, type Family } from './series.ts'

/** prometheus.DefBuckets */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LABELS = ['grpc_method', 'grpc_service', 'grpc_type']

const KINDS: Readonly<Record<DescMethod['methodKind'], string>> = {
  unary: 'unary',
  bidi_streaming: 'bidi_stream',
  client_streaming: 'client_stream',
  server_streaming: 'server_stream',
}

export class RpcMetrics {
  readonly #started = new Counter('grpc_server_started_total', 'Total number of RPCs started on the server.', LABELS)
  readonly #handled = new Counter(
    'grpc_server_handled_total',
    'Total number of RPCs completed on the server, regardless of success or failure.',
    ['grpc_code', ...LABELS],
  )
  readonly #messagesIn = new Counter(
    'grpc_server_msg_received_total',
    'Total number of RPC stream messages received on the server.',
    LABELS,
  )
  readonly #messagesOut = new Counter(
    'grpc_server_msg_sent_total',
    'Total number of gRPC stream messages sent by the server.',
    LABELS,
  )
  readonly #handling: Histogram | undefined
  readonly #bytesIn = new Counter(
    'etcd_network_client_grpc_received_bytes_total',
    'The total number of bytes received from grpc clients.',
  )
  readonly #bytesOut = new Counter(
    'etcd_network_client_grpc_sent_bytes_total',
    'The total number of bytes sent to grpc clients.',
  )
  readonly #clients = new Counter(
    'etcd_server_client_requests_total',
    'The total number of client requests per client version.',
    ['client_api_version', 'type'],
  )

  readonly #methods: readonly DescMethod[]
  readonly #series = new Map<DescMethod, MethodSeries>()

  /** `extensive`: how long calls take as well (--metrics=extensive). */
  constructor(methods: Iterable<DescMethod>, extensive: boolean) {
    this.#methods = [...methods]
    this.#handling = extensive
      ? new Histogram(
          'grpc_server_handling_seconds',
          'Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.',
          SECONDS,
          LABELS,
        )
      : undefined
  }

  /** With a series for each method and code, so that a rate begins at zero; nobody sees them before. */
  get families(): Family[] {
    for (const method of this.#methods) {
      const series = this.#of(method)
      for (const code of Object.keys(GRPC_CODES) as GrpcCode[]) this.#handledAs(series, code)
    }
    const counters = [this.#started, this.#handled, this.#messagesIn, this.#messagesOut]
    return [...counters, ...(this.#handling ? [this.#handling] : []), this.#bytesIn, this.#bytesOut, this.#clients]
  }

  /** Returns what is to be called when it has ended. */
  began(method: DescMethod, clientVersion: string | undefined): (code: GrpcCode) => void {
    const series = this.#of(method)
    series.started.value += 1
    const type = method.methodKind === 'unary' ? 'unary' : 'stream'
    this.#clients.inc(1, clientVersion ?? 'unknown', type)
    const beginMs = performance.now()
    return (code) => {
      this.#handledAs(series, code).value += 1
      this.#handling?.observe((performance.now() - beginMs) / 1000, ...series.labels)
    }
  }

  received(method: DescMethod, bytes: number): void {
    this.#of(method).messagesIn.value += 1
    this.#bytesIn.inc(bytes)
  }

  sent(method: DescMethod, bytes: number): void {
    this.#of(method).messagesOut.value += 1
    this.#bytesOut.inc(bytes)
  }

  #of(method: DescMethod): MethodSeries {
    const known = this.#series.get(method)
    if (known) return known
    const labels = [method.name, method.parent.typeName, KINDS[method.methodKind]]
    this.#handling?.at(labels)
    const series = {
      labels,
      started: this.#started.at(labels),
      messagesIn: this.#messagesIn.at(labels),
      messagesOut: this.#messagesOut.at(labels),
      handled: new Map<GrpcCode, Cell<number>>(),
    }
    this.#series.set(method, series)
    return series
  }

  #handledAs({ labels, handled }: MethodSeries, code: GrpcCode): Cell<number> {
    let cell = handled.get(code)
    if (!cell) handled.set(code, (cell = this.#handled.at([code, ...labels])))
    return cell
  }
}

/** What one method's calls move, looked up once. */
interface MethodSeries {
  labels: readonly string[]
  started: Cell<number>
  messagesIn: Cell<number>
  messagesOut: Cell<number>
  handled: Map<GrpcCode, Cell<number>>
}

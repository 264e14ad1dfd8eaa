/** Counters, gauges and histograms, and the text in which Prometheus reads them (its exposition format 0.0.4). */

export interface Family {
  readonly name: string
  /** HELP, TYPE and one line per series. */
  render(): string
}

/** Label values in the order of the family's label names. */
type Labels = readonly string[]

/** One series, its value free to move. */
export interface Cell<Value> {
  readonly labels: Labels
  value: Value
}

abstract class Series<Value> implements Family {
  readonly name: string
  readonly #help: string
  readonly #type: string
  protected readonly labelNames: Labels
  /** Of a family without labels. */
  readonly #only: Cell<Value> | undefined
  protected readonly values = new Map<string, Cell<Value>>()

  constructor(type: string, name: string, help: string, labelNames: Labels) {
    this.#type = type
    this.name = name
    this.#help = help
    this.labelNames = labelNames
    if (labelNames.length === 0) this.#only = this.at([])
  }

  protected abstract zero(): Value
  protected abstract lines(labels: Labels, value: Value): string[]

  /** One series of the family: whoever counts at each call keeps it. */
  at(labels: Labels): Cell<Value> {
    if (this.#only) return this.#only
    const key = labels.join('\0')
    let known = this.values.get(key)
    if (!known) this.values.set(key, (known = { labels, value: this.zero() }))
    return known
  }

  render(): string {
    const series = [...this.values].sort(([one], [other]) => (one < other ? -1 : 1))
    const lines = series.flatMap(([, { labels, value }]) => this.lines(labels, value))
    if (lines.length === 0) return ''
    return [`# HELP ${this.name} ${this.#help}`, `# TYPE ${this.name} ${this.#type}`, ...lines, ''].join('\n')
  }

  protected line(suffix: string, labels: Labels, value: number, le?: string): string {
    const pairs = this.labelNames.map((name, at) => `${name}="${escaped(labels[at] ?? '')}"`)
    if (le !== undefined) pairs.push(`le="${le}"`)
    return `${this.name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${goFloat(value)}`
  }
}

export class Counter extends Series<number> {
  constructor(name: string, help: string, labelNames: Labels = []) {
    super('counter', name, help, labelNames)
  }

  inc(by = 1, ...labels: Labels): void {
    this.at(labels).value += by
  }

  protected override zero(): number {
    return 0
  }

  protected override lines(labels: Labels, value: number): string[] {
    return [this.line('', labels, value)]
  }
}

export class Gauge extends Series<number> {
  constructor(name: string, help: string, labelNames: Labels = []) {
    super('gauge', name, help, labelNames)
  }

  set(value: number, ...labels: Labels): void {
    this.at(labels).value = value
  }

  add(by: number, ...labels: Labels): void {
    this.at(labels).value += by
  }

  protected override zero(): number {
    return 0
  }

  protected override lines(labels: Labels, value: number): string[] {
    return [this.line('', labels, value)]
  }
}

interface Observed {
  /** How many fell into each bucket alone. */
  counts: number[]
  sum: number
  count: number
}

export class Histogram extends Series<Observed> {
  readonly #bounds: readonly number[]

  constructor(name: string, help: string, bounds: readonly number[], labelNames: Labels = []) {
    super('histogram', name, help, labelNames)
    this.#bounds = bounds
  }

  observe(value: number, ...labels: Labels): void {
    const { value: seen } = this.at(labels)
    const bucket = this.#bounds.findIndex((bound) => value <= bound)
    if (bucket >= 0) seen.counts[bucket] = (seen.counts[bucket] ?? 0) + 1
    seen.sum += value
    seen.count += 1
  }

  protected override zero(): Observed {
    return { counts: [], sum: 0, count: 0 }
  }

  protected override lines(labels: Labels, { counts, sum, count }: Observed): string[] {
    let below = 0
    const buckets = this.#bounds.map((bound, at) => {
      below += counts[at] ?? 0
      return this.line('_bucket', labels, below, goFloat(bound))
    })
    return [
      ...buckets,
      this.line('_bucket', labels, count, '+Inf'),
      this.line('_sum', labels, sum),
      this.line('_count', labels, count),
    ]
  }
}

/** Bounds of buckets, each twice the one before (prometheus.ExponentialBuckets). */
export function doubling(first: number, count: number): number[] {
  // Without the tail that repeated multiplication of decimals leaves.
  return Array.from({ length: count }, (_, at) => Number((first * 2 ** at).toPrecision(12)))
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}

/** strconv's shortest %g: with an exponent from a million on, and of two digits at least. */
export function goFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (value === 0 || (power >= -4 && power < 21 && Math.abs(value) < 1e6)) return String(value)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

/** What a component counts of itself, as Prometheus text (component-base/metrics). */
import type { Exchange } from '../kube/client.ts'

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

const STARTED_SECONDS = Date.now() / 1000 - process.uptime()

export class ComponentMetrics {
  readonly #requests = new Map<string, number>()
  readonly #gauges: (() => string)[] = []

  countRequest({ method, status, remote }: Exchange): void {
    const labels = `code="${status}",host="${remote}",method="${method}"`
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1)
  }

  watchLeader(name: string, isLeader: () => boolean): void {
    const help =
      '[ALPHA] Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.'
    this.gauge('leader_election_master_status', help, `name="${name}"`, () => Number(isLeader()))
  }

  gauge(name: string, help: string, labels: string, value: () => number): void {
    this.#gauges.push(
      () => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${labels && `{${labels}}`} ${value()}\n`,
    )
  }

  text(): string {
    const requests = [...this.#requests].map(([labels, count]) => `rest_client_requests_total{${labels}} ${count}\n`)
    return [
      ...this.#gauges.map((gauge) => gauge()),
      '# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n',
      '# TYPE process_start_time_seconds gauge\n',
      `process_start_time_seconds ${STARTED_SECONDS}\n`,
      '# HELP rest_client_requests_total [ALPHA] Number of HTTP requests, partitioned by status code, method, and host.\n',
      '# TYPE rest_client_requests_total counter\n',
      ...requests,
    ].join('')
  }
}

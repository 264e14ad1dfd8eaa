/** `/metrics` in Prometheus' text format, and `/debug/vars`. */
import type { Member } from '../member.ts'
import { isGet, type HttpExchange } from './http-request.ts'
import type { Mux } from './mux.ts'

const TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

export function handleMetrics(mux: Mux, member: Member): void {
  // Any method gets them.
  mux.handle('/metrics', ({ response }) => {
    response.statusCode = 200
    response.setHeader('content-type', TYPE)
    // In two pieces, so that it goes out in chunks as the real one's does.
    response.write(member.metrics.render(member))
    response.end()
  })
}

export function handleDebugVars(mux: Mux, member: Member): void {
  mux.handle('/debug/vars', (exchange: HttpExchange) => {
    if (!isGet(exchange)) return
    const { response } = exchange
    const { committedIndex, appliedIndex, term } = member.door.status
    const memory = process.memoryUsage()
    const id = member.memberId.toString(16)
    const vars = {
      cmdline: process.argv.slice(1),
      file_descriptor_limit: 0,
      memstats: { Alloc: memory.heapUsed, Sys: memory.rss, HeapSys: memory.heapTotal },
      'raft.status': {
        id,
        term,
        vote: id,
        commit: committedIndex,
        lead: id,
        raftState: 'StateLeader',
        applied: appliedIndex,
      },
    }
    const lines = Object.entries(vars).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    response.statusCode = 200
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.write(`{\n${lines.join(',\n')}`)
    response.end('\n}\n')
  })
}

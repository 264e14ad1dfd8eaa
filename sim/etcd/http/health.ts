/** `/health`, `/livez` and `/readyz` (server/etcdserver/api/etcdhttp/health.go). None of them asks for a user. */
import { AlarmType } from '../../../lib/etcd/rpc_pb.ts'
import { log } from '../log.ts'
import type { Member } from '../member.ts'
import { isGet, refuse, write, type HttpExchange } from './http-request.ts'
import type { Mux } from './mux.ts'

const TEXT = 'text/plain; charset=utf-8'

/** Go's text for a read that no quorum confirms in time. */
const TOO_LATE = 'context deadline exceeded'

/** Resolves with what is wrong, or undefined. */
type Check = () => Promise<string | undefined>

export function handleHealth(mux: Mux, member: Member): void {
  const { alarms, members } = member.state
  const linearizableRead: Check = async () => {
    try {
      await member.door.linearizable()
      return undefined
    } catch {
      return TOO_LATE
    }
  }
  const serializableRead: Check = async () => undefined

  mux.handle('/health', async (exchange) => {
    if (!isGet(exchange)) return
    const reason = await unhealthy(exchange)
    const body = JSON.stringify({ health: reason === '' ? 'true' : 'false', reason })
    member.metrics.server.judged(reason === '')
    if (reason === '') return write(exchange, TEXT, body)
    log('warn', '/health error', { output: body, 'status-code': 503 })
    refuse(exchange, 503, body)
  })

  const unhealthy = async ({ query }: HttpExchange): Promise<string> => {
    const excluded = new Set(query.getAll('exclude'))
    for (const { type } of alarms.get()) {
      const name = AlarmType[type]
      if (!excluded.has(name)) return `ALARM ${name}`
    }
    if (query.get('serializable') === 'true') return ''
    if (member.door.status.leader === 0n) return 'RAFT NO LEADER'
    const problem = await linearizableRead()
    return problem === undefined ? '' : `RANGE ERROR:${problem}`
  }

  install(mux, member, '/livez', new Map([['serializable_read', serializableRead]]))
  // The real one's come in a random order.
  install(
    mux,
    member,
    '/readyz',
    new Map<string, Check>([
      [
        'data_corruption',
        async () => (alarms.get(AlarmType.CORRUPT).length > 0 ? 'alarm activated: CORRUPT' : undefined),
      ],
      ['linearizable_read', linearizableRead],
      ['non_learner', async () => (members.get(member.memberId)?.isLearner ? 'not supported for learner' : undefined)],
      ['serializable_read', serializableRead],
    ]),
  )
}

function install(mux: Mux, member: Member, root: string, checks: ReadonlyMap<string, Check>): void {
  mux.handle(root, (exchange) => {
    const excluded = exchange.query.getAll('exclude')
    return answer(exchange, root, new Map([...checks].filter(([name]) => !excluded.includes(name))), member)
  })
  for (const [name, check] of checks) {
    const path = `${root}/${name}`
    mux.handle(path, (exchange) => answer(exchange, path, new Map([[name, check]]), member))
  }
}

async function answer(
  exchange: HttpExchange,
  path: string,
  checks: ReadonlyMap<string, Check>,
  { metrics }: Member,
): Promise<void> {
  if (!isGet(exchange)) return
  let report = ''
  let failed = false
  for (const [name, check] of checks) {
    const problem = await check()
    metrics.server.checked(path.split('/')[1]!, name, problem === undefined)
    failed ||= problem !== undefined
    report += problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`
  }
  if (failed) {
    log('error', 'Health check error', { path, reason: report, 'status-code': 503 })
    return refuse(exchange, 503, report)
  }
  exchange.response.setHeader('x-content-type-options', 'nosniff')
  write(exchange, TEXT, `${exchange.query.has('verbose') ? report : ''}ok\n`)
}

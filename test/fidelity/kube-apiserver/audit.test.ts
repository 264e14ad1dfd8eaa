/** Recorded audit events of chosen requests, put to a running kube-apiserver with the same policy. */
import t from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import { EXCEPTIONS } from './audit-exceptions.ts'
import { expected } from './expected.ts'
import { recorded } from './recorded-world.ts'
import { ServerReplay } from './server-replay.ts'
import type { ServerRow } from './server-replay.ts'

interface AuditRow extends Omit<ServerRow, 'answer'> {
  status: number
  events: { stage: string }[]
}

const DEADLINE_MS = 2000

/** The recordings' policy. */
const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
  resources: [{group: "", resources: [secrets, configmaps, pods/exec, serviceaccounts/token]}]
- level: Metadata
`

t.test('audit.json: every row agrees or is an exception with its reason', async (t) => {
  const replay = await ServerReplay.start((world) => {
    writeFileSync(world.path('policy.yaml'), POLICY)
    return { 'audit-policy-file': world.path('policy.yaml'), 'audit-log-path': world.path('logs/audit.log') }
  })
  t.teardown(() => replay.end())
  const log = replay.world.path('logs/audit.log')
  const events = (uri: string, from: number): object[] =>
    readFileSync(log, 'utf8')
      .slice(from)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { requestURI: string })
      .filter(({ requestURI }) => requestURI === uri)
  let exceptions = 0
  const rows = recorded<AuditRow>('audit.json')
  for (const row of rows) {
    const reason = EXCEPTIONS[row.id]
    if (reason !== undefined) {
      exceptions++
      continue
    }
    const before = readFileSync(log, 'utf8').length
    t.equal((await replay.ask(row)).status, row.status, row.id)
    const end = performance.now() + DEADLINE_MS
    let difference = agrees(row, events(row.path, before))
    while (difference && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 25))
      difference = agrees(row, events(row.path, before))
    }
    if (difference) t.equal(difference.got, difference.expected, row.id)
  }
  t.comment(`agree ${rows.length - exceptions}, exceptions ${exceptions}`)
  t.equal(rows.length, 25, 'no row was left out')
})

const MASKS = { requestReceivedTimestamp: '<time>', stageTimestamp: '<time>' }

/** The log, without times and names that differ from run to run; we are asked on the loopback. */
function agrees({ events }: AuditRow, logged: readonly object[]): { expected: string; got: string } | undefined {
  const told = logged.map((event) => {
    const { auditID: _, userAgent: __, ...rest } = event as Record<string, unknown>
    return JSON.parse(JSON.stringify(rest).replaceAll('"127.0.0.1"', '"192.168.99.10"')) as object
  })
  return expected(
    events.map((event) => ({ ...event, ...MASKS })),
    told,
  )
}

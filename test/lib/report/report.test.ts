/** What a run leaves to people and to programs: the table, the closing lines, the row's schema, the baseline. */
import t from 'tap'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { differences, readBaseline } from '../../../lib/report/baseline.ts'
import { palette } from '../../../lib/report/colour.ts'
import { summary, table } from '../../../lib/report/table.ts'
import type { Expectation, Outcome } from '../../../lib/scenario/outcome.ts'
import type { Row } from '../../../lib/scenario/row.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { LAYERS } from '../../../lib/tls/layer.ts'
import { schemaErrors, type Schema } from './json-schema.ts'

const through: Outcome = { kind: 'through', proof: "the Secret's value" }
const forbidden = { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' } as const

function row(facts: Partial<Row> = {}): Row {
  return {
    scenario: 'impersonate/anon-apiserver',
    variant: 'a',
    posture: 'kubeadm',
    title: 'GET of a Secret by name',
    attack: { ...forbidden, text: 'secrets "canary" is forbidden' },
    twin: { ...through, change: 'as super-admin' },
    verdict: 'held',
    expected: forbidden,
    asExpected: true,
    milliseconds: 483,
    ...facts,
  }
}

const held = row()
const broken = row({
  posture: 'open',
  attack: through,
  twin: { ...forbidden, change: 'with authorization-mode' },
  verdict: 'broken',
  expected: { kind: 'through' },
})
const surprise = row({
  posture: 'hardened',
  attack: { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: '401' },
  asExpected: false,
})
const vacuous = row({ variant: 'b', twin: { ...forbidden, change: 'without tls' }, verdict: 'vacuous' })
const unclear = row({
  variant: 'c',
  attack: { kind: 'unclear', reason: 'hang: the act did not come to an end' },
  twin: { kind: 'unclear', reason: 'hang: the act did not come to an end', change: 'no twin' },
  verdict: 'unclear',
  asExpected: false,
})
const unclearTwin = row({
  variant: 'd',
  twin: { kind: 'unclear', reason: 'crash: etcd is not ready after the attempt', change: 'as super-admin' },
  verdict: 'unclear',
})
const skipped = row({
  scenario: 'local/world-readable-keys',
  attack: { kind: 'skipped', reason: 'needs_second_uid' },
  twin: { kind: 'skipped', reason: 'needs_second_uid', change: 'no twin' },
  verdict: 'skipped',
  asExpected: false,
})
const nothing: Outcome = { kind: 'skipped', reason: 'no kubelet here' }
const { asExpected: _, ...withoutPromise } = row()
const notApplicable: Row = {
  ...withoutPromise,
  scenario: 'overreach/kubelet-to-kubelet',
  attack: nothing,
  twin: { ...nothing, change: '' },
  verdict: 'not-applicable',
  expected: { notApplicable: 'no kubelet here' },
  milliseconds: 0,
}
const every = [held, broken, surprise, vacuous, unclear, unclearTwin, skipped, notApplicable]

const schema = JSON.parse(readFileSync(join(packageRoot(), 'lib/report/row-schema.json'), 'utf8')) as Schema
const printed = (value: Row): unknown => JSON.parse(JSON.stringify(value))

t.test('a row of each kind is what the schema says', async (t) => {
  for (const each of every) t.strictSame(schemaErrors(schema, printed(each)), [], `${each.verdict} ${each.variant}`)
  const { expected: _, asExpected: __, ...foreign } = held
  t.strictSame(schemaErrors(schema, printed(foreign)), [], 'a posture that nothing is promised of')
  const evidence = {
    witness: [
      {
        time: '2026-01-01T00:00:00.000Z',
        sequence: 163,
        host: 'control-plane-1',
        component: 'kube-apiserver',
        about: 'request',
        decision: 'refuse',
        local: '127.20.1.2:6443',
        remote: '127.20.5.1:41163',
        layer: '403-rbac',
        code: 'Forbidden',
        identity: 'system:anonymous',
      },
    ],
    connections: [
      {
        id: 41,
        from: 'attacker',
        to: 'control-plane-1',
        port: 6443,
        callerLocal: '127.20.5.1:36183',
        faceRemote: '127.20.1.1:6443',
        wireLocal: '127.20.5.1:41163',
        back: '127.20.1.2:6443',
        openedMs: 1_795_645_666_772,
        closedMs: 1_795_645_666_793,
        bytesToCallee: 529,
        bytesToCaller: 2474,
        diverted: false,
        tapped: false,
        ended: 'closed',
      },
    ],
    observed: [{ remote: '127.20.1.1:6443', status: 403, reason: 'Forbidden', layer: 'tls-alert', alert: 48 }],
    canarySha256: '0f'.repeat(32),
  }
  t.strictSame(schemaErrors(schema, printed(row({ attack: { ...forbidden, evidence } }))), [], 'with its evidence')
  t.strictSame(
    schemaErrors(schema, printed(row({ attack: { ...forbidden, evidence: { ...evidence, canarySha256: 'x' } } }))),
    ['$.attack.evidence.canarySha256: does not match ^[0-9a-f]{64}$'],
  )
})

t.test('the schema refuses what is no row', async (t) => {
  const errors = (facts: object): string[] => schemaErrors(schema, { ...(printed(held) as object), ...facts })
  t.strictSame(errors({ verdict: 'blocked' }), [
    '$.verdict: "blocked" is none of held, broken, vacuous, unclear, skipped, not-applicable',
  ])
  t.strictSame(errors({ mood: 'fine' }), ['$: mood is not known'])
  t.strictSame(errors({ twin: through }), ['$.twin: lacks change'])
  t.match(errors({ attack: { kind: 'stopped', by: 'etcd', layer: 'luck', code: 'x' } }), [
    /^\$\.attack: fits 0 of 4 forms .*"luck" is none of route, tcp, tls-alert/,
  ])
  t.match(errors({ expected: { kind: 'unclear', reason: 'x' } }), [/^\$\.expected: fits 0 of 3 forms/])
  t.strictSame(errors({ milliseconds: -1, scenario: 'Anon' }), [
    '$.scenario: does not match ^[a-z0-9-]+/[a-z0-9-]+$',
    '$.milliseconds: less than 0',
  ])
  t.throws(() => schemaErrors({ anyOf: [] }, 1), /\[schema_keyword\] anyOf/)
})

t.test('the schema knows the layers that the range knows, and is shipped', async (t) => {
  const { layer } = schema['$defs'] as { layer: { enum: string[] } }
  t.strictSame(layer.enum, [...LAYERS])
  const { files } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { files: string[] }
  t.ok(files.includes('lib/report/row-schema.json'))
})

const plain = palette({ isTTY: false }, {})

t.test('the table in a pipe: outcomes first, the verdict beside them, marked where a row is not good', async (t) => {
  t.equal(
    table([broken, held, surprise, notApplicable], plain),
    `ATTACK                          POSTURE   OUTCOME                             TWIN                                                         VERDICT
impersonate/anon-apiserver:a    open      THROUGH: the Secret's value         with authorization-mode: kube-apiserver: 403-rbac Forbidden  broken
impersonate/anon-apiserver:a    kubeadm   kube-apiserver: 403-rbac Forbidden  as super-admin: THROUGH: the Secret's value                  held
impersonate/anon-apiserver:a    hardened  kube-apiserver: 401                 as super-admin: THROUGH: the Secret's value                  held !
overreach/kubelet-to-kubelet:a  kubeadm   n/a: no kubelet here                                                                             not-applicable`,
  )
  t.equal(table([], plain), 'ATTACK  POSTURE  OUTCOME  TWIN  VERDICT')
})

t.test('colour on a terminal that wants it', async (t) => {
  const terminal = palette({ isTTY: true }, {})
  const lines = table([broken, held, surprise, notApplicable], terminal).split('\n')
  const bare = table([broken, held, surprise, notApplicable], plain).split('\n')
  const codes = [1, 33, 32, 31, 2]
  t.strictSame(
    lines,
    bare.map((line, index) => `\u001b[${codes[index]}m${line}\u001b[0m`),
    'bold head; yellow broken, green held, red surprise, dim the rest; the same columns',
  )
  const inColour = (stream: object, env: NodeJS.ProcessEnv): boolean => palette(stream, env).good('x') !== 'x'
  t.equal(inColour({ isTTY: true }, { NO_COLOR: '1' }), false, 'NO_COLOR')
  t.equal(inColour({ isTTY: true }, { NO_COLOR: '' }), true, 'an empty NO_COLOR says nothing (no-color.org)')
  t.equal(inColour({ isTTY: true }, { TERM: 'dumb' }), false, 'a terminal that cannot')
  t.equal(inColour({}, {}), false, 'a pipe')
  t.equal(inColour({}, { FORCE_COLOR: '1' }), true, 'a pipe that is told to')
})

t.test('the closing lines count, and say what each bad row did', async (t) => {
  t.equal(summary([held, broken], plain), '2 rows: 1 held, 1 broken\nevery row as expected')
  t.equal(summary([notApplicable], plain), '1 rows: 0 held, 1 not-applicable\nevery row as expected')
  t.equal(
    summary(every, plain),
    `8 rows: 2 held, 1 broken, 1 vacuous, 2 unclear, 1 skipped, 1 not-applicable
  impersonate/anon-apiserver:a on hardened: expected kube-apiserver: 403-rbac Forbidden, got kube-apiserver: 401
  impersonate/anon-apiserver:b on kubeadm: vacuous: the twin (without tls) did not differ: kube-apiserver: 403-rbac Forbidden
  impersonate/anon-apiserver:c on kubeadm: unclear: hang: the act did not come to an end
  impersonate/anon-apiserver:d on kubeadm: unclear: crash: etcd is not ready after the attempt in the twin (as super-admin)
4 not as expected`,
  )
  const foreign = (attack: Outcome, verdict: Row['verdict']): Row => {
    const { expected: _, asExpected: __, ...rest } = row({ posture: 'my-cluster', attack, verdict })
    return rest
  }
  t.equal(
    summary([foreign(forbidden, 'held'), foreign(through, 'broken')], plain).split('\n')[1],
    "  impersonate/anon-apiserver:a on my-cluster: expected no attack through, got THROUGH: the Secret's value",
  )
  t.equal(
    summary([held], palette({ isTTY: true }, {})),
    '1 rows: 1 held\n\u001b[32mevery row as expected\u001b[0m',
    'colour on a terminal',
  )
})

t.test('a baseline tells what has changed, whichever side has it', async (t) => {
  const asWas: Expectation = { kind: 'through' }
  t.strictSame(differences(every, every), [])
  t.strictSame(
    differences([held], [row({ milliseconds: 1, title: 'renamed', expected: asWas, asExpected: false })]),
    [],
    'neither time nor words nor promises are part of what must stay',
  )
  t.strictSame(differences([held], [row({ attack: through, verdict: 'broken' }), broken]), [
    'impersonate/anon-apiserver:a on kubeadm: was held (stopped kube-apiserver 403-rbac Forbidden), is broken (through)',
    'impersonate/anon-apiserver:a on open: not in the baseline',
  ])
  t.match(differences([held], [row({ attack: { ...forbidden, layer: '401', code: 'Unauthorized' } })]), [
    /is held \(stopped kube-apiserver 401 Unauthorized\)$/,
  ])
})

t.test('a baseline file is read row by row, and a bad line is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'baseline-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'rows.json')
  writeFileSync(file, `${every.map((each) => JSON.stringify(each)).join('\n')}\n\n`)
  t.strictSame(differences(readBaseline(file), every), [])
  writeFileSync(file, `${JSON.stringify(held)}\n{"scenario":1}\n`)
  t.throws(() => readBaseline(file), {
    message: `[baseline_line] ${file}:2: not a result row (give a file that \`mtls-range attack --json\` wrote)`,
  })
  t.throws(() => readBaseline(join(folder, 'absent')), { message: /^\[baseline_unreadable\] --baseline .*ENOENT/ })
})

/** `mtls-range explain`: the words are there for every attack, and the last run of each is remembered. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'
import { palette } from '../../../lib/report/colour.ts'
import { explanation } from '../../../lib/report/explanation.ts'
import { keepRows, lastRunFile, readLastRun } from '../../../lib/report/last-run.ts'
import { discoverScenarios } from '../../../lib/scenario/discover.ts'
import { drawingOf } from '../../../lib/scenario/drawing.ts'
import type { Row } from '../../../lib/scenario/row.ts'
import { CONTROLS } from '../../../lib/posture/controls.ts'
import { shippedPostures } from '../../../lib/posture/posture.ts'

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.js', import.meta.url))

function explain(state: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const [program, ...rest] = nodeCommand([MAIN, 'explain', ...args])
  return spawnSync(program!, rest, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], XDG_STATE_HOME: state },
  })
}

const ROW: Row = {
  scenario: 'steal/scheduler-cert',
  variant: 'a',
  posture: 'kubeadm',
  title: 'LIST of all Secrets',
  attack: {
    kind: 'stopped',
    by: 'kube-apiserver',
    layer: '403-rbac',
    code: 'Forbidden',
    evidence: {
      witness: [
        {
          component: 'kube-apiserver',
          host: 'control-plane-1',
          request: 'GET /api/v1/secrets',
          text: 'secrets is forbidden: so it said',
        },
      ],
      connections: [],
      observed: [],
      canarySha256: '0'.repeat(64),
    },
  },
  twin: { kind: 'through', proof: 'the Secret’s value', change: 'without authorization-mode' },
  verdict: 'held',
  milliseconds: 12,
}

t.test('every attack draws its path, and is explained posture by posture', async (t) => {
  const postures = await shippedPostures()
  for (const { id, url, scenario } of await discoverScenarios()) {
    const drawing = drawingOf(url)
    t.match(drawing, /-->|==>/, `${id} begins with a drawing of its path`)
    const text = explanation(
      {
        id,
        scenario,
        variants: scenario.variants,
        drawing,
        postures,
        controls: CONTROLS,
        lastRun: () => undefined,
      },
      palette({ isTTY: false }, {}),
    )
    const lines = text.split('\n')
    t.strictSame(
      lines.filter((line) => line.length > 100 && !drawing.includes(line.trim()) && !/\S{80}/.test(line)),
      [],
      `${id} is wrapped`,
    )
    for (const variant of scenario.variants) {
      t.ok(lines.includes(`:${variant.id}  ${variant.title}`), `${id}:${variant.id}`)
      for (const posture of postures.filter((each) => variant.expect[each]))
        t.match(text, new RegExp(`^  ${posture} +(THROUGH|stopped by|not applicable)`, 'm'))
    }
    t.notMatch(text, /undefined|\[object/, id)
  }
})

t.test('the last run is shown with the word of whoever refused', async (t) => {
  const state = t.testdir()
  const file = lastRunFile({ XDG_STATE_HOME: state })!
  t.equal(file, join(state, 'mtls-range', 'last-run.jsonl'))
  t.notMatch(explain(state, 'scheduler-cert').stdout, /last run/)
  keepRows(file, [ROW], new Date('2026-01-02T03:04:05Z'))
  const text = explain(state, 'scheduler-cert:a').stdout.replaceAll(/\s+/g, ' ')
  t.match(text, "kube-scheduler's credential --TLS--> kube-apiserver --x--> Secrets")
  t.match(
    text,
    'last run 2026-01-02 03:04 UTC: held: stopped by kube-apiserver, 403-rbac (Forbidden); without authorization-mode: through: the Secret’s value',
  )
  t.match(text, 'kube-apiserver on control-plane-1, GET /api/v1/secrets: secrets is forbidden: so it said')
  t.match(text, /authorization-mode \(403-rbac, CIS 1\.2\.6, 1\.2\.7, 1\.2\.8\)/)
  t.match(explain(state, 'scheduler-crt'), {
    status: 2,
    stderr: /^\[scenario_unknown\] .*did you mean scheduler-cert\?/,
  })
})

t.test('rows of other attacks stay, and a file that was cut off is begun anew', async (t) => {
  const file = join(t.testdir(), 'state', 'last-run.jsonl')
  keepRows(file, [ROW, { ...ROW, posture: 'open' }], new Date(0))
  keepRows(file, [
    { ...ROW, verdict: 'unclear' },
    { ...ROW, posture: 'hardened', verdict: 'not-applicable' },
  ])
  const kept = readLastRun(file)
  t.strictSame([...kept.keys()].sort(), ['steal/scheduler-cert:a kubeadm', 'steal/scheduler-cert:a open'])
  t.equal(kept.get('steal/scheduler-cert:a kubeadm')?.row.verdict, 'unclear')
  t.equal(kept.get('steal/scheduler-cert:a open')?.at, '1970-01-01T00:00:00.000Z')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20))
  t.ok(readLastRun(file).size < 2)
  keepRows(file, [ROW])
  t.ok(readLastRun(file).has('steal/scheduler-cert:a kubeadm'))
  t.equal(lastRunFile({}), undefined, 'without a home nothing is kept')
  t.equal(lastRunFile({ HOME: '/h' }), '/h/.local/state/mtls-range/last-run.jsonl')
  const taken = join(t.testdir(), 'file')
  mkdirSync(dirname(taken), { recursive: true })
  writeFileSync(taken, '')
  t.throws(() => keepRows(join(taken, 'x', 'y'), [ROW]), { code: 'ENOTDIR' })
  t.notOk(existsSync(`${file}.${process.pid}`))
})

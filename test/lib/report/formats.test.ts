/** `--report`: each format is what its readers take, whatever stands in a row. */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ReportContext } from '../../../lib/report/finding.ts'
import { htmlReport } from '../../../lib/report/html.ts'
import { junit } from '../../../lib/report/junit.ts'
import { markdown } from '../../../lib/report/markdown.ts'
import { sarif } from '../../../lib/report/sarif.ts'
import { tap } from '../../../lib/report/tap.ts'
import { parseReport, REPORT_FORMATS, writeReport } from '../../../lib/report/write-reports.ts'
import type { Outcome } from '../../../lib/scenario/outcome.ts'
import type { Row } from '../../../lib/scenario/row.ts'
import { schemaErrors, type Schema } from './json-schema.ts'

const through: Outcome = { kind: 'through', proof: "the Secret's value" }
const forbidden = { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' } as const

function row(facts: Partial<Row> = {}): Row {
  return {
    scenario: 'impersonate/anon-apiserver',
    variant: 'a',
    posture: 'kubeadm',
    title: 'GET of <a> "Secret" & more | #1',
    attack: forbidden,
    twin: { ...through, change: 'as super-admin' },
    verdict: 'held',
    expected: forbidden,
    asExpected: true,
    milliseconds: 483,
    ...facts,
  }
}

const nothing: Outcome = { kind: 'skipped', reason: 'no <TLS>\u0007 here' }
const ROWS: Row[] = [
  row(),
  row({
    posture: 'open',
    attack: through,
    twin: { ...forbidden, change: 'with <x> & y' },
    verdict: 'broken',
    expected: { kind: 'through' },
  }),
  row({
    variant: 'b',
    attack: through,
    verdict: 'broken',
    asExpected: false,
    twin: { ...forbidden, change: 'as stranger' },
  }),
  row({
    variant: 'c',
    attack: { kind: 'unclear', reason: 'hang: ]]> --> \u0000' },
    verdict: 'unclear',
    asExpected: false,
  }),
  row({
    posture: 'open',
    variant: 'd',
    attack: nothing,
    twin: { ...nothing, change: '' },
    verdict: 'not-applicable',
    expected: { notApplicable: 'no <TLS>\u0007 here' },
  }),
]
const CONTEXT: ReportContext = {
  version: '0.1.0',
  scenarios: [{ id: 'impersonate/anon-apiserver', title: 'Ask nicely', story: 'A stranger asks.' }],
  postures: new Map([
    ['kubeadm', join(process.cwd(), 'sim/postures/kubeadm')],
    ['open', '/elsewhere/my open'],
  ]),
}

interface Element {
  name: string
  attributes: Record<string, string>
  children: Element[]
}

/** Reads XML (and HTML that closes what it opens); throws at what is not well-formed. */
function markup(text: string, empty: readonly string[] = []): Element {
  const root: Element = { name: '', attributes: {}, children: [] }
  const open = [root]
  const pattern = /<\?[^>]*\?>|<!doctype html>|<(\/?)([\w-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(.)/gs
  for (const [whole, closes, name = '', attributes = '', closed, between, stray] of text.matchAll(pattern)) {
    if (stray !== undefined) throw new Error(`not well-formed at ${stray}`)
    if (between !== undefined && /&(?!(?:amp|lt|gt|quot|#\d+);)/.test(between + attributes)) throw new Error(between)
    if (Array.from(whole).some((each) => each < ' ' && !'\t\n\r'.includes(each)))
      throw new Error(`a control character in ${whole}`)
    if (name === '') continue
    if (closes === '/') {
      const last = open.pop()
      if (last?.name !== name) throw new Error(`</${name}> closes <${last?.name}>`)
      continue
    }
    const pairs = Array.from(attributes.matchAll(/([\w:-]+)="([^"]*)"/g), ([, key, value]) => [key!, value!] as const)
    const element: Element = { name, attributes: Object.fromEntries(pairs), children: [] }
    open.at(-1)!.children.push(element)
    if (closed !== '/' && !empty.includes(name)) open.push(element)
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)!.name}> is not closed`)
  return root.children[0]!
}

t.test('JUnit: suites, cases and counts', async (t) => {
  const root = markup(junit(ROWS))
  t.match(root, {
    name: 'testsuites',
    attributes: { tests: '5', failures: '1', errors: '1', skipped: '1', time: '2.415' },
  })
  t.strictSame(
    root.children.map(({ name, attributes }) => [
      name,
      attributes['name'],
      attributes['tests'],
      attributes['failures'],
    ]),
    [
      ['testsuite', 'kubeadm', '3', '1'],
      ['testsuite', 'open', '2', '0'],
    ],
  )
  const cases = root.children.flatMap(({ children }) => children)
  t.match(cases[0]?.attributes, {
    classname: 'kubeadm.impersonate.anon-apiserver',
    name: 'impersonate/anon-apiserver:a on kubeadm: GET of &lt;a&gt; &quot;Secret&quot; &amp; more | #1',
    time: '0.483',
  })
  t.strictSame(
    cases.map(({ children }) => children[0]?.name),
    ['system-out', 'failure', 'error', 'system-out', 'skipped'],
  )
  t.equal(
    cases[1]?.children[0]?.attributes['message'],
    "broken: through: the Secret's value; as stranger: stopped by kube-apiserver, 403-rbac (Forbidden); expected stopped by kube-apiserver, 403-rbac (Forbidden)",
  )
})

/** What SARIF 2.1.0 demands of the parts that are used here (sarif-schema-2.1.0.json). */
const SARIF: Schema = {
  type: 'object',
  required: ['version', 'runs'],
  properties: {
    version: { const: '2.1.0' },
    runs: {
      type: 'array',
      items: {
        type: 'object',
        required: ['tool', 'results'],
        properties: {
          tool: {
            type: 'object',
            required: ['driver'],
            properties: {
              driver: {
                type: 'object',
                required: ['name', 'rules'],
                properties: {
                  rules: {
                    type: 'array',
                    items: {
                      type: 'object',
                      required: ['id', 'shortDescription'],
                      properties: {
                        name: { type: 'string', pattern: '^[A-Z][A-Za-z0-9]+$' },
                        shortDescription: { type: 'object', required: ['text'] },
                      },
                    },
                  },
                },
              },
            },
          },
          results: {
            type: 'array',
            items: {
              type: 'object',
              required: ['message', 'ruleId', 'ruleIndex', 'kind', 'level', 'locations'],
              properties: {
                kind: { enum: ['notApplicable', 'pass', 'fail', 'review', 'open', 'informational'] },
                level: { enum: ['none', 'note', 'warning', 'error'] },
                message: { type: 'object', required: ['text'] },
                locations: { type: 'array', items: { type: 'object', required: ['physicalLocation'] } },
              },
            },
          },
        },
      },
    },
  },
}

t.test('SARIF: a rule per scenario, a result per row', async (t) => {
  const log = JSON.parse(sarif(ROWS, CONTEXT)) as {
    runs: { tool: { driver: { rules: object[] } }; results: Record<string, unknown>[] }[]
  }
  t.strictSame(schemaErrors(SARIF, log), [])
  const { tool, results } = log.runs[0]!
  t.match(tool.driver.rules, [
    { id: 'impersonate/anon-apiserver', name: 'ImpersonateAnonApiserver', shortDescription: { text: 'Ask nicely' } },
  ])
  t.strictSame(
    results.map(({ kind, level }) => [kind, level]),
    [
      ['pass', 'none'],
      ['fail', 'warning'],
      ['fail', 'error'],
      ['open', 'none'],
      ['notApplicable', 'none'],
    ],
  )
  const uris = results.map(
    ({ locations }) =>
      (locations as { physicalLocation: { artifactLocation: { uri: string } } }[])[0]!.physicalLocation.artifactLocation
        .uri,
  )
  t.strictSame(uris.slice(0, 2), [
    'sim/postures/kubeadm/posture.yaml',
    pathToFileURL('/elsewhere/my open/posture.yaml').href,
  ])
  const prints = results.map(({ partialFingerprints }) => JSON.stringify(partialFingerprints))
  t.equal(new Set(prints).size, ROWS.length, 'each row is known again')
})

t.test('TAP: a plan, points and directives', async (t) => {
  const lines = tap(ROWS).split('\n')
  t.strictSame(lines.slice(0, 2), ['TAP version 14', '1..5'])
  t.strictSame(
    lines.filter((line) => /^(not )?ok/.test(line)).map((line) => line.split(' - ')[0]),
    ['ok 1', 'ok 2', 'not ok 3', 'not ok 4', 'ok 5'],
  )
  t.match(lines[2], / - impersonate\/anon-apiserver:a on kubeadm: GET of <a> "Secret" & more \| \\#1$/)
  t.match(
    lines.find((line) => line.startsWith('ok 5')),
    / # SKIP not applicable: no <TLS>/,
  )
})

t.test('Markdown: every row has five cells', async (t) => {
  const lines = markdown(ROWS).split('\n')
  const table = lines.filter((line) => line.startsWith('|'))
  t.equal(table.length, ROWS.length + 2)
  for (const line of table) t.equal(line.split(/(?<!\\)\|/).length, 7, line)
  t.match(lines, ['# mtls-range'])
  t.ok(lines.includes('5 rows: 1 held, 2 broken, 1 unclear, 1 not-applicable'))
  t.match(table[4], /\| \*\*broken\*\* \|$/)
})

t.test('HTML: one file, nothing from elsewhere', async (t) => {
  const text = htmlReport(ROWS, CONTEXT)
  t.doesNotThrow(() => markup(text, ['meta', 'br']))
  t.notMatch(text, /<script|src=|href=|url\(/)
  t.match(text, 'GET of &lt;a&gt; &quot;Secret&quot; &amp; more')
  t.equal(text.match(/<tr/g)?.length, ROWS.length + 1)
  t.equal(text.match(/class="odd"/g)?.length, 2)
})

t.test('FORMAT=FILE', async (t) => {
  t.strictSame(parseReport('junit=a=b.xml'), { format: 'junit', file: 'a=b.xml' })
  t.throws(() => parseReport('junti=x'), {
    message: '[report_format] --report junti=x: must be FORMAT=FILE (did you mean junit?)',
  })
  t.throws(() => parseReport('html'), { message: /^\[report_format\] --report html: must be FORMAT=FILE/ })
  const folder = t.testdir()
  for (const format of REPORT_FORMATS) {
    writeReport({ format, file: join(folder, format) }, ROWS, CONTEXT)
    t.ok(readFileSync(join(folder, format), 'utf8').endsWith('\n'), format)
  }
  t.throws(() => writeReport({ format: 'tap', file: join(folder, 'no', 'x') }, ROWS, CONTEXT), {
    message: /^\[report_unwritable\] --report tap=\S+: ENOENT/,
  })
})

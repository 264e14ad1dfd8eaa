/** Any corpus of chains can be put to the range's verifier: JSON lines in, JSON lines out, whatever the lines are. */
import t from 'tap'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from '../../../lib/cluster/node-command.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'

const MAIN = fileURLToPath(new URL('../../../lib/cli/x509-verdicts.js', import.meta.url))

interface Run {
  code: number | null
  answers: Record<string, unknown>[]
  stderr: string
}

async function ask(lines: readonly string[]): Promise<Run> {
  const [program, ...rest] = nodeCommand([MAIN])
  const child = spawn(program!, rest, { env: { PATH: process.env['PATH'] } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const answers = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { code, answers, stderr }
}

interface Verdict {
  ok?: true
  stage?: string
  error?: string
}

interface Case {
  id: string
  chain: string[]
  roots: string[]
  time: string
  clientAuth: Verdict
  serverAuth: Verdict
  any: Verdict
  hosts?: Record<string, Verdict>
}

const { cases }: { cases: Case[] } = JSON.parse(
  readFileSync(join(packageRoot(), 'test/fidelity/x509/cases.json'), 'utf8'),
)

t.test('the recorded corpus, put to it, is answered as Go answered, in the same order', async (t) => {
  const asked = cases.flatMap(({ id, chain, roots, time, hosts = {}, ...verdicts }) => [
    ...(['clientAuth', 'serverAuth', 'any'] as const).map((usage) => ({
      question: { id: `${id} ${usage}`, chain, roots, time, usage },
      wanted: verdicts[usage],
    })),
    ...Object.entries(hosts)
      .filter(([host]) => host !== '')
      .map(([host, wanted]) => ({ question: { id: `${id} ${host}`, chain, roots, time, names: [host] }, wanted })),
  ])
  const { code, answers, stderr } = await ask(asked.map(({ question }) => JSON.stringify(question)))
  t.equal(code, 0)
  t.equal(stderr, '')
  t.ok(asked.length > 3 * 482, `${asked.length} questions`)
  const wanted = asked.map(({ question: { id }, wanted: { ok, stage, error } }) =>
    ok ? { id, ok } : { id, ok: false, stage, error },
  )
  t.strictSame(
    answers.filter((answer, index) => JSON.stringify(answer) !== JSON.stringify(wanted[index])),
    [],
  )
  t.equal(answers.length, wanted.length)
})

t.test('a bad line is answered and ends nothing', async (t) => {
  const good = cases.find(({ serverAuth }) => serverAuth.ok)!
  const { chain, roots, time } = good
  const line = (facts: object): string => JSON.stringify({ id: 7, chain, roots, time, ...facts })
  const { code, answers } = await ask([
    'this is no JSON',
    '',
    '[1]',
    '{}',
    line({ id: { any: 'value' }, chain: 'x' }),
    line({ chain: [] }),
    line({ chain: [...chain, 'not base64!'] }),
    line({ roots: [7] }),
    line({ time: 'yesterday' }),
    line({ time: '2026-02-30T00:00:00Z' }),
    line({ time: undefined }),
    line({ usage: 'codeSigning' }),
    line({ names: 'kubernetes' }),
    line({ chain: ['AAAA', ...chain.slice(1)] }),
    line({ chain: [...chain, ''] }),
    line({ roots: ['AAAA', ...roots] }),
    line({ names: [], id: undefined }),
  ])
  const input = (error: string, id: unknown = 7): object => ({ id, ok: false, stage: 'input', error })
  t.equal(code, 0)
  t.match(answers[0], { id: null, ok: false, stage: 'input', error: /^\[input_json\] line: must be JSON, / })
  t.strictSame(answers.slice(1), [
    input('[input_object] line: must be a JSON object, got [1]', null),
    input('[input_chain] chain: must be a list of base64 DER, got nothing', null),
    input('[input_chain] chain: must be a list of base64 DER, got "x"', { any: 'value' }),
    input('[input_chain] chain: must hold a certificate, is empty'),
    input(`[input_chain] chain[${chain.length}]: must be base64 DER, got "not base64!"`),
    input('[input_roots] roots[0]: must be base64 DER, got 7'),
    input('[input_time] time: must be RFC 3339, such as 2026-01-01T00:00:00Z, got "yesterday"'),
    input('[input_time] time: must be RFC 3339, such as 2026-01-01T00:00:00Z, got "2026-02-30T00:00:00Z"'),
    input('[input_time] time: must be RFC 3339, such as 2026-01-01T00:00:00Z, got nothing'),
    input('[input_usage] usage: must be one of serverAuth, clientAuth, any, got "codeSigning"'),
    input('[input_names] names: must be a list of host names or IP addresses, got "kubernetes"'),
    { id: 7, ok: false, stage: 'parse', error: 'x509: malformed certificate' },
    { id: 7, ok: false, stage: 'parse', error: 'x509: malformed certificate' },
    { id: 7, ok: true },
    { id: null, ok: true },
  ])
})

t.test('every name must hold, and Go names the time in the zone it was given', async (t) => {
  const named = cases.find(({ hosts = {} }) => Object.values(hosts).some(({ ok }) => ok))!
  const { chain, roots, time, hosts = {} } = named
  const name = Object.keys(hosts).find((host) => hosts[host]?.ok)!
  const expired = cases.find(({ serverAuth: { error = '' } }) => error.startsWith('x509: certificate has expired'))!
  const { answers } = await ask([
    JSON.stringify({ id: 1, chain, roots, time, names: [name] }),
    JSON.stringify({ id: 2, chain, roots, time, names: [name, 'elsewhere.example'] }),
    JSON.stringify({ ...expired, id: 3, time: '2100-01-01T00:00:00+05:30' }),
  ])
  t.strictSame(answers[0], { id: 1, ok: true })
  t.match(answers[1], { id: 2, ok: false, stage: 'hostname', error: /^x509: certificate is .* elsewhere\.example$/ })
  t.match(answers[2], { id: 3, ok: false, stage: 'verify', error: /current time 2100-01-01T00:00:00\+05:30 is after/ })
})

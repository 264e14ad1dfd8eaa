/**
 * Puts the same questions about certificates to lib/x509 and to Go's own crypto/x509, and prints every difference, made as
 * small as it gets, as a case: `node dist/test/fuzz/x509.js --count 20000 --seed 1`. Exit code 1 for a difference, 0 for none, also
 * where there is no Go to ask: CI has to go on without one, but it says so.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { packageRoot } from '../../lib/settings/package-root.ts'
import { GO_VERSION, GoVerifier, goVersionOnPath } from './go-verifier.ts'
import { makeQuestion } from './questions.ts'
import { Random } from './random.ts'
import { shrink } from './shrink.ts'
import { makeSigners } from './signer.ts'
import { type Answer, ourAnswer, type Question } from './x509-answer.ts'

const BATCH = 200
/** After so many differences more of the same are not worth the paper. */
const MAX_DIFFERENCES = 10

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})

interface Tally {
  asked: number
  /** How often each kind of answer came, so that a blunt generator shows. */
  kinds: Map<string, number>
}

function note(tally: Tally, answer: Answer): void {
  const verdict = new Map<string, unknown>(Object.entries(answer['clientAuth'] ?? {}))
  const refused = verdict.get('stage') === 'parse' ? 'parse' : (verdict.get('reason') ?? verdict.get('type'))
  const kind = typeof refused === 'string' ? refused : verdict.size > 0 ? 'ok' : Object.keys(answer).join()
  tally.kinds.set(kind, (tally.kinds.get(kind) ?? 0) + 1)
  tally.asked++
}

function recordedQuestions(): Question[] {
  const file = join(packageRoot(), 'test/fidelity/x509/cases.json')
  const { cases }: { cases: (Omit<Question, 'hosts'> & { hosts?: object })[] } = JSON.parse(readFileSync(file, 'utf8'))
  return cases.map(({ chain = [], roots = [], time = '', hosts = {} }) => ({
    chain,
    roots,
    time,
    hosts: Object.keys(hosts),
  }))
}

/** Ours, or what was thrown: Go never throws. */
function answerOrCrash(question: Question): Answer {
  try {
    return ourAnswer(question)
  } catch (error) {
    return { crash: String(error) }
  }
}

function differences(ours: Answer, theirs: Answer): string[] {
  const fields = new Set([...Object.keys(ours), ...Object.keys(theirs)])
  return [...fields].filter((field) => !isDeepStrictEqual(ours[field], theirs[field]))
}

async function report(go: GoVerifier, question: Question): Promise<void> {
  const ask = async (asked: Question): Promise<[Answer, Answer]> => {
    const [theirs = {}] = await go.ask([asked])
    return [answerOrCrash(asked), theirs]
  }
  const first = differences(...(await ask(question)))
  const smallest = await shrink(question, async (smaller) =>
    differences(...(await ask(smaller))).some((field) => first.includes(field)),
  )
  const [ours, theirs] = await ask(smallest)
  for (const field of differences(ours, theirs)) {
    console.log(JSON.stringify({ differsIn: field, ours: ours[field] ?? ours['crash'], go: theirs[field] }))
  }
  console.log(JSON.stringify(smallest))
}

async function run(count: number, seconds: number, seed: number): Promise<number> {
  const version = goVersionOnPath()
  if (!version?.startsWith(GO_VERSION)) {
    console.log(`fuzz:x509 SKIPPED, NOTHING WAS COMPARED: needs ${GO_VERSION} on PATH, found ${version ?? 'none'}`)
    return 0
  }
  const go = new GoVerifier()
  const random = new Random(seed)
  const signers = makeSigners()
  const recorded = recordedQuestions()
  const tally: Tally = { asked: 0, kinds: new Map() }
  const began = performance.now()
  const elapsed = (): number => (performance.now() - began) / 1000
  let found = 0
  const makeBatch = (): Question[] => Array.from({ length: BATCH }, () => makeQuestion(random, signers, recorded))
  let isInterrupted = false
  // Who stops a long run wants to know how far it came.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (isInterrupted = true))
  const isOver = (): boolean =>
    isInterrupted || tally.asked >= count || found >= MAX_DIFFERENCES || (seconds > 0 && elapsed() >= seconds)
  while (!isOver()) {
    const questions = makeBatch()
    const theirs = go.ask(questions)
    const ours = questions.map(answerOrCrash)
    for (const [i, answer] of (await theirs).entries()) {
      note(tally, answer)
      if (differences(ours[i] ?? {}, answer).length === 0 || found >= MAX_DIFFERENCES) continue
      found++
      await report(go, questions[i] ?? {})
    }
  }
  await go.close()
  const kinds = [...tally.kinds].toSorted((a, b) => b[1] - a[1]).map(([kind, times]) => `${kind} ${times}`)
  console.log(
    `fuzz:x509 seed ${seed}: ${tally.asked} questions in ${elapsed().toFixed(0)} s, ${found} differences, beside ${version}`,
  )
  console.log(`answers: ${kinds.join(', ')}; memory ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`)
  return found > 0 ? 1 : 0
}

process.exitCode = await run(Number(values.count), Number(values.seconds), Number(values.seed))

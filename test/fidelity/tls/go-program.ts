/** A Go program of test/fidelity/go that is asked in JSON lines and answers in order. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../../lib/settings/package-root.ts'

export interface GoProgram<Answer> {
  /** The next line that it says. */
  hear: () => Promise<Answer>
  ask: (question: object) => Promise<Answer>
  close: () => void
}

export function goProgram<Answer>(name: 'tlsclient' | 'tlsserver'): GoProgram<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'mtls-range-go-'))
  const program = join(folder, name)
  const cwd = join(packageRoot(), 'test/fidelity/go')
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GODEBUG: '' }
  execFileSync('go', ['build', '-o', program, `./${name}`], { cwd, env, stdio: 'inherit' })
  const child = spawn(program, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const said: Answer[] = []
  const waiting: ((answer: Answer) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer
    const next = waiting.shift()
    if (next) next(answer)
    else said.push(answer)
  })
  const hear = (): Promise<Answer> =>
    new Promise((resolve) => {
      const answer = said.shift()
      if (answer === undefined) waiting.push(resolve)
      else resolve(answer)
    })
  return {
    hear,
    ask: (question) => {
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return hear()
    },
    close: () => {
      child.kill()
      rmSync(folder, { recursive: true })
    },
  }
}

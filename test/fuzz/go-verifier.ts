import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { packageRoot } from '../../lib/settings/package-root.ts'
import type { Answer, Question } from './x509-answer.ts'

/** The minor version whose rules lib/x509 follows. */
export const GO_VERSION = 'go1.26'

/** `go1.26.8`, or undefined where no Go is on PATH. */
export function goVersionOnPath(): string | undefined {
  try {
    return /go[0-9.]+/.exec(execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }))?.[0]
  } catch {
    return undefined
  }
}

/** test/fidelity/go/x509.go, built and running. */
export class GoVerifier {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mtls-range-x509-'))
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: ((answer: Answer) => void)[] = []

  constructor() {
    const program = join(this.#folder, 'x509')
    const cwd = join(packageRoot(), 'test/fidelity/go')
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GODEBUG: '' }
    execFileSync('go', ['build', '-o', program, '.'], { cwd, env, stdio: 'inherit' })
    // Ctrl-C is for whoever asks: it ends with its input.
    this.#child = spawn(program, { env, detached: true })
    this.#child.stderr.pipe(process.stderr)
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const answer: Answer = JSON.parse(line)
      this.#waiting.shift()?.(answer)
    })
    this.#child.once('exit', (code) => {
      if (this.#waiting.length > 0)
        throw new Error(`[go_verifier] x509.go: has to answer all, ended with ${code} before it did`)
    })
  }

  /** Answers come in the order of the questions. */
  ask(questions: readonly Question[]): Promise<Answer[]> {
    const answers = questions.map(() => new Promise<Answer>((resolve) => this.#waiting.push(resolve)))
    this.#child.stdin.write(questions.map((question) => `${JSON.stringify(question)}\n`).join(''))
    return Promise.all(answers)
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin.end()
    await ended
    rmSync(this.#folder, { recursive: true })
  }
}

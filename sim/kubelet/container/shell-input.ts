/** A shell that reads its script from stdin, line by line: with a terminal it prompts, without one it just goes on. */
import { ByteQueue } from '../../../lib/kube/byte-queue.ts'
import type { Execution } from './execution.ts'
import type { Terminal } from './terminal.ts'
import { isUnfinished, Shell } from './shell.ts'

/** Answers the exit code. */
export function readScript(execution: Execution): Promise<number> {
  const { terminal, stdin } = execution
  return terminal && stdin === terminal ? prompting(execution, terminal) : piped(execution)
}

/** As busybox ash prompts root. */
async function prompting(execution: Execution, terminal: Terminal): Promise<number> {
  const { signal, out } = execution
  const shell = new Shell(execution)
  let script = ''
  for (;;) {
    if (signal.aborted) break
    out(script === '' ? `${shell.execution.folder} # ` : '> ')
    const { interrupt } = terminal
    const line = await terminal.read(AbortSignal.any([signal, interrupt]))
    if (interrupt.aborted) script = ''
    else if (!line) break
    else script += line.toString('utf8')
    if (isUnfinished(script)) continue
    const left = await shell.run(script)
    if (left !== undefined) return left
    script = ''
  }
  return shell.code
}

/** What a line's command reads of stdin is what stands behind that line. */
async function piped(execution: Execution): Promise<number> {
  const input = new ByteQueue()
  void (async () => {
    for await (const piece of execution.stdin) input.push(piece)
    input.end()
  })()
  const shell = new Shell({ ...execution, stdin: input })
  let script = ''
  for (let line = await nextLine(input, execution.signal); line !== undefined;) {
    script += line
    if (!isUnfinished(script)) {
      const left = await shell.run(script)
      if (left !== undefined) return left
      script = ''
    }
    line = await nextLine(input, execution.signal)
  }
  return script === '' ? shell.code : shell.finish(script)
}

async function nextLine(input: ByteQueue, signal: AbortSignal): Promise<string | undefined> {
  const pieces: Buffer[] = []
  for (let piece = await input.next(signal); piece; piece = await input.next(signal)) {
    const end = piece.indexOf('\n')
    pieces.push(end === -1 ? piece : piece.subarray(0, end + 1))
    if (end === -1) continue
    input.unread(piece.subarray(end + 1))
    break
  }
  return pieces.length === 0 ? undefined : Buffer.concat(pieces).toString('utf8')
}

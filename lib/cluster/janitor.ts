/**
 * Waits for its standard input to end, then ends what is left of a run: processes it was told of, and the run's folder.
 * Arguments: the folder. Input: one process id per line. It deletes nothing but a folder that a range made.
 */
import { rmSync } from 'node:fs'
import { basename } from 'node:path'

const folder = process.argv[2] ?? ''
const pids = new Set<number>()
let text = ''

// The range's own stop comes by end of input; a terminal's Ctrl-C must not end the one who cleans up after it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

process.stdin.on('data', (chunk: Buffer) => {
  text += chunk.toString('latin1')
  const lines = text.split('\n')
  text = lines.pop() ?? ''
  for (const line of lines) {
    const pid = Number(line)
    if (pid > 0) pids.add(pid)
    else if (pid < 0) pids.delete(-pid)
  }
})
process.stdin.on('error', clean)
process.stdin.on('close', clean)

function clean(): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
  if (basename(folder).startsWith('mtls-range-')) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(0)
}

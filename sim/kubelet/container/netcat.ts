/** `nc -l -p PORT [-k] [-e PROGRAM ARGS…]`, as busybox has it: serves a port of the Pod with a program, or with stdin and stdout. */
import { endedBy, runProgram, type Execution } from './execution.ts'
import type { Accepted } from './pod-network.ts'

const USAGE = 'Usage: nc [-lk] [-p PORT] [-e PROG]'

export async function netcat(args: readonly string[], execution: Execution): Promise<number> {
  const { container, signal, err } = execution
  let port = Number.NaN
  let isListening = false
  let isKept = false
  let command: readonly string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '-e') {
      command = args.slice(at + 1)
      break
    }
    if (/^-\w*p$/.test(arg)) port = Number(args[++at])
    else if (/^\d+$/.test(arg)) port = Number(arg)
    if (arg.startsWith('-')) {
      isListening ||= arg.includes('l')
      isKept ||= arg.includes('k')
    }
  }
  if (!isListening || !Number.isInteger(port)) {
    err(`${USAGE}\n`)
    return 1
  }
  return new Promise<number>((resolve) => {
    const close = container.network.listen(port, (connection) => {
      if (!isKept) close?.()
      void converse(connection, command, execution).then((code) => {
        if (!isKept) resolve(code)
      })
    })
    if (!close) {
      err('nc: bind: Address already in use\n')
      return resolve(1)
    }
    signal.addEventListener('abort', () => (close(), resolve(endedBy(signal))), { once: true })
  })
}

async function converse(connection: Accepted, command: readonly string[], execution: Execution): Promise<number> {
  const write = (bytes: Buffer | string): void => connection.write(Buffer.from(bytes as string))
  try {
    if (command.length > 0) return await runProgram(command, { ...execution, stdin: connection.input, out: write })
    for await (const bytes of connection.input) execution.out(bytes)
    return 0
  } catch (error) {
    execution.err(`nc: ${(error as Error).message}\n`)
    return 1
  } finally {
    connection.end()
  }
}

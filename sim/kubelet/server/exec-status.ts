/** How a container's end is worded: pkg/kubelet/server/server.go, cri-streaming's remotecommand. */
import type { ExecProtocol, ExecStatus } from '../../../lib/kube/exec-session.ts'
import { translatedStatus } from '../../../lib/kube/exec-translation.ts'
import { NotExecutable } from '../container/container.ts'

/** v5 goes through the kubelet's own client of the runtime. */
function worded(protocol: ExecProtocol, status: ExecStatus): ExecStatus {
  return protocol === 'v5.channel.k8s.io' ? translatedStatus(status) : status
}

export function success(protocol: ExecProtocol): ExecStatus {
  return worded(protocol, { status: 'Success' })
}

export function exitStatus(protocol: ExecProtocol, command: readonly string[], code: number): ExecStatus {
  if (code === 0) return success(protocol)
  const why = `error executing command [${command.join(' ')}], exit code ${code}`
  return worded(protocol, {
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${why}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  })
}

export function startFailure(protocol: ExecProtocol, error: unknown): ExecStatus {
  const text = error instanceof NotExecutable ? runtimeText(error) : String(error)
  const message = `Internal error occurred: error executing command in container: ${text}`
  return worded(protocol, { status: 'Failure', message, reason: 'InternalError', code: 500 })
}

/** containerd's words for a command that is not there. */
export function runtimeText(error: NotExecutable): string {
  return `failed to exec in container: ${error.message}`
}

/** How a container's end is worded: pkg/kubelet/server/server.go, cri-streaming's remotecommand. */
import type { ExecProtocol, ExecStatus } from '../../../lib/kube/exec-session.ts'
import { NotExecutable } from '../container/container.ts'

const V5 = 'v5.channel.k8s.io'

export function success(protocol: ExecProtocol): ExecStatus {
  return protocol === V5 ? { metadata: {}, status: 'Success' } : { status: 'Success' }
}

/** v5 goes through the kubelet's own client of the runtime, which words things anew. */
export function exitStatus(protocol: ExecProtocol, command: readonly string[], code: number): ExecStatus {
  if (code === 0) return success(protocol)
  const why =
    protocol === V5
      ? `command terminated with exit code ${code}`
      : `error executing command [${command.join(' ')}], exit code ${code}`
  return {
    ...(protocol === V5 ? { metadata: {} } : {}),
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${why}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  }
}

export function startFailure(protocol: ExecProtocol, error: unknown): ExecStatus {
  const text = error instanceof NotExecutable ? runtimeText(error) : String(error)
  const internal = `Internal error occurred: error executing command in container: ${text}`
  if (protocol !== V5) return { status: 'Failure', message: internal, reason: 'InternalError', code: 500 }
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${internal}`,
    reason: 'InternalError',
    details: { causes: [{ message: internal }] },
    code: 500,
  }
}

/** containerd's words for a command that is not there. */
export function runtimeText(error: NotExecutable): string {
  return `failed to exec in container: ${error.message}`
}

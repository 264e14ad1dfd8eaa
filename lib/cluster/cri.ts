/**
 * The container runtime's socket, as far as somebody who found it needs it: k8s.io/cri-api runtime.v1, ListContainers and ExecSync
 * (pkg/apis/runtime/v1/api.proto), over gRPC on a Unix socket. Nobody is asked who he is there: the socket's mode is all there is.
 */
import { ProtoWriter, readProto } from '../etcd/protobuf.ts'

/** Where containerd listens on a host. */
export const RUNTIME_SOCKET = '/run/containerd/containerd.sock'
/** As containerd makes it: its owner and group alone. */
export const RUNTIME_SOCKET_MODE = 0o660

const SERVICE = '/runtime.v1.RuntimeService'
export const LIST_CONTAINERS = `${SERVICE}/ListContainers`
export const EXEC_SYNC = `${SERVICE}/ExecSync`

const RUNNING = 1

export interface RuntimeContainer {
  id: string
  name: string
  image: string
  pod: { namespace: string; name: string; uid: string }
}

const LABELS = {
  namespace: 'io.kubernetes.pod.namespace',
  name: 'io.kubernetes.pod.name',
  uid: 'io.kubernetes.pod.uid',
} as const

export function encodeContainers(containers: readonly RuntimeContainer[]): Buffer {
  const response = new ProtoWriter()
  for (const { id, name, image, pod } of containers) {
    const container = new ProtoWriter()
      .string(1, id)
      .bytes(3, new ProtoWriter().string(1, name).finish())
      .bytes(4, new ProtoWriter().string(1, image).finish())
      .numberAlways(6, RUNNING)
    for (const [member, label] of Object.entries(LABELS)) {
      const entry = new ProtoWriter().string(1, label).string(2, pod[member as keyof typeof LABELS])
      container.bytes(8, entry.finish())
    }
    response.bytesAlways(1, container.finish())
  }
  return response.finish()
}

export function decodeContainers(message: Uint8Array): RuntimeContainer[] {
  const containers: RuntimeContainer[] = []
  readProto(message, ({ field, bytes }) => {
    if (field === 1) containers.push(decodeContainer(bytes))
  })
  return containers
}

function decodeContainer(message: Uint8Array): RuntimeContainer {
  const container: RuntimeContainer = { id: '', name: '', image: '', pod: { namespace: '', name: '', uid: '' } }
  readProto(message, ({ field, bytes }) => {
    if (field === 1) container.id = bytes.toString('utf8')
    if (field === 3) container.name = stringsOf(bytes)[1] ?? ''
    if (field === 4) container.image = stringsOf(bytes)[1] ?? ''
    if (field === 8) {
      const { 1: label, 2: value = '' } = stringsOf(bytes)
      for (const member of ['namespace', 'name', 'uid'] as const) {
        if (LABELS[member] === label) container.pod[member] = value
      }
    }
  })
  return container
}

/** A message of strings alone, by field. */
function stringsOf(message: Uint8Array): Record<number, string> {
  const strings: Record<number, string> = {}
  readProto(message, ({ field, bytes }) => void (strings[field] = bytes.toString('utf8')))
  return strings
}

export function encodeExec({ id, command }: { id: string; command: readonly string[] }): Buffer {
  const request = new ProtoWriter().string(1, id)
  for (const word of command) request.bytesAlways(2, Buffer.from(word))
  return request.finish()
}

export function decodeExec(message: Uint8Array): { id: string; command: string[] } {
  const asked = { id: '', command: [] as string[] }
  readProto(message, ({ field, bytes }) => {
    if (field === 1) asked.id = bytes.toString('utf8')
    if (field === 2) asked.command.push(bytes.toString('utf8'))
  })
  return asked
}

export interface ExecOutcome {
  stdout: Buffer
  stderr: Buffer
  exitCode: number
}

export function encodeOutcome({ stdout, stderr, exitCode }: ExecOutcome): Buffer {
  return new ProtoWriter().bytes(1, stdout).bytes(2, stderr).number(3, exitCode).finish()
}

export function decodeOutcome(message: Uint8Array): ExecOutcome {
  const outcome: ExecOutcome = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 }
  readProto(message, ({ field, bytes, number }) => {
    if (field === 1) outcome.stdout = bytes
    if (field === 2) outcome.stderr = bytes
    if (field === 3) outcome.exitCode = number
  })
  return outcome
}

/** The kubelet's path for a Pod's subresource: pkg/registry/core/pod/strategy.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, invalid } from '../../../lib/kube/status.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { goQueryEscape } from '../../../lib/kube/go-query.ts'

interface Containers {
  containers?: { name: string }[]
  initContainers?: { name: string }[]
  ephemeralContainers?: { name: string }[]
  nodeName?: string
}

function specOf(pod: KubeObject): Containers {
  return (pod['spec'] as Containers | undefined) ?? {}
}

/** The node that runs the Pod, empty where none was chosen. */
export function nodeOf(pod: KubeObject): string {
  return specOf(pod).nodeName ?? ''
}

export type Stream = 'exec' | 'attach' | 'portforward'

/** Path and query, the query in alphabetic order as Go encodes it. Throws a 400 Status for a container or port that is none. */
export function streamPath(pod: KubeObject, stream: Stream, query: URLSearchParams): string {
  const { namespace = '', name = '' } = pod.metadata
  if (stream === 'portforward') {
    const ports = query.getAll('ports').flatMap(portsIn)
    return withQuery(`/portForward/${namespace}/${name}`, ports.length === 0 ? [] : [['port', ports.join(',')]])
  }
  const container = containerOf(pod, query.get('container') ?? '')
  const parameters: [string, string][] =
    stream === 'exec' ? query.getAll('command').map((each) => ['command', each]) : []
  for (const [asked, sent] of [
    ['stderr', 'error'],
    ['stdin', 'input'],
    ['stdout', 'output'],
    ['tty', 'tty'],
  ] as const) {
    if (isTrue(query.get(asked))) parameters.push([sent, '1'])
  }
  return withQuery(`/${stream}/${namespace}/${name}/${container}`, parameters)
}

/** Convert_Slice_string_To_Slice_int32 of pkg/apis/core/v1/conversion.go: numbers of 16 bits, by commas. */
function portsIn(text: string): number[] {
  return text.split(',').map((each) => {
    const isNumber = /^\d+$/.test(each)
    if (isNumber && Number(each) <= 0xffff) return Number(each)
    const why = isNumber ? 'value out of range' : 'invalid syntax'
    throw badRequest(`cannot convert to []int32: strconv.ParseUint: parsing ${JSON.stringify(each)}: ${why}`)
  })
}

/** As streamPath, for a Pod's log. Throws a 422 Status for numbers that are none. */
export function logPath(pod: KubeObject, query: URLSearchParams): string {
  const { namespace = '', name = '' } = pod.metadata
  refuseBadLogOptions(name, query)
  const container = containerOf(pod, query.get('container') ?? '')
  const parameters: [string, string][] = []
  for (const flag of ['follow', 'previous', 'timestamps']) if (isTrue(query.get(flag))) parameters.push([flag, 'true'])
  for (const key of ['limitBytes', 'sinceSeconds', 'sinceTime', 'stream', 'tailLines']) {
    const value = query.get(key)
    if (value !== null && value !== '') parameters.push([key, value])
  }
  return withQuery(
    `/containerLogs/${namespace}/${name}/${container}`,
    parameters.toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** A bool in a query: present and neither `false` nor `0` (apimachinery/pkg/runtime/converter). */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

function containerOf(pod: KubeObject, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = specOf(pod)
  const { name: podName } = pod.metadata
  if (asked !== '') {
    const all = [...containers, ...initContainers, ...ephemeralContainers]
    if (all.some(({ name }) => name === asked)) return asked
    throw badRequest(`container ${asked} is not valid for pod ${podName}`)
  }
  const [only, second] = containers
  if (only && !second) return only.name
  let text = `a container name must be specified for pod ${podName}`
  if (containers.length > 0) text += `, choose one of: [${namesOf(containers)}]`
  if (initContainers.length > 0) text += ` or one of the init containers: [${namesOf(initContainers)}]`
  throw badRequest(text)
}

function namesOf(containers: readonly { name: string }[]): string {
  return containers.map(({ name }) => name).join(' ')
}

const MINIMUM: Record<string, [least: number, text: string]> = {
  limitBytes: [1, 'must be greater than 0'],
  sinceSeconds: [1, 'must be greater than 0'],
  tailLines: [0, 'must be greater than or equal to 0'],
}

function refuseBadLogOptions(name: string, query: URLSearchParams): void {
  const errors: FieldError[] = []
  for (const [field, [least, text]] of Object.entries(MINIMUM)) {
    const value = Number(query.get(field) ?? least)
    if (value < least) errors.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${value}: ${text}` })
  }
  if (errors.length > 0) throw invalid('PodLogOptions', '', name, errors)
}

function withQuery(path: string, parameters: readonly [string, string][]): string {
  if (parameters.length === 0) return path
  return `${path}?${parameters.map(([key, value]) => `${key}=${goQueryEscape(value)}`).join('&')}`
}

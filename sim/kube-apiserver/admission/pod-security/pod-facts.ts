/** What Pod Security looks at in a Pod, and how it names what it found: pod-security-admission/policy/{visitor,helpers}.go. */
interface LocalHandler {
  httpGet?: { host?: string }
  tcpSocket?: { host?: string }
}

export interface SecurityContext {
  privileged?: boolean
  allowPrivilegeEscalation?: boolean
  runAsNonRoot?: boolean
  runAsUser?: number
  procMount?: string
  capabilities?: { add?: string[]; drop?: string[] }
  appArmorProfile?: { type?: string }
  seccompProfile?: { type?: string }
  seLinuxOptions?: { type?: string; user?: string; role?: string }
  windowsOptions?: { hostProcess?: boolean }
}

export interface Container {
  name: string
  image?: string
  ports?: { hostPort?: number }[]
  securityContext?: SecurityContext
  livenessProbe?: LocalHandler
  readinessProbe?: LocalHandler
  startupProbe?: LocalHandler
  lifecycle?: { postStart?: LocalHandler; preStop?: LocalHandler }
}

export interface PodFacts {
  annotations: Readonly<Record<string, string>>
  spec: {
    hostNetwork?: boolean
    hostPID?: boolean
    hostIPC?: boolean
    hostUsers?: boolean
    os?: { name?: string }
    runtimeClassName?: string
    securityContext?: SecurityContext & { sysctls?: { name: string }[] }
    volumes?: ({ name: string } & Record<string, unknown>)[]
    initContainers?: Container[]
    containers?: Container[]
    ephemeralContainers?: Container[]
  }
}

/** Why a check does not let a Pod in: in general, and in this one. */
export interface Violation {
  reason: string
  detail: string
}

export type Check = (pod: PodFacts) => Violation | undefined

/** In the order in which they are named. */
export function containersOf({ spec }: PodFacts): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
}

export function quoted(items: Iterable<string>): string {
  return [...items].map((item) => `"${item}"`).join(', ')
}

/** Go sorts by bytes. */
export function sorted(items: Iterable<string>): string[] {
  return [...new Set(items)].toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
}

export function plural(singular: string, many: string, count: number): string {
  return count === 1 ? singular : many
}

/** `container "a"`, `containers "a", "b"`. */
export function named(containers: readonly Pick<Container, 'name'>[]): string {
  return `${plural('container', 'containers', containers.length)} ${quoted(containers.map(({ name }) => name))}`
}

/** Who sets something bad explicitly: `pod and container "a"`; undefined where nobody does. */
export function setters(pod: PodFacts, isBad: (context: SecurityContext) => boolean): string | undefined {
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext && isBad(securityContext))
  const { securityContext } = pod.spec
  const found = [...(securityContext && isBad(securityContext) ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])]
  return found.length > 0 ? found.join(' and ') : undefined
}

/** A user namespace of its own: root in there is nobody outside (since 1.35). */
export function hasOwnUsers({ spec }: PodFacts): boolean {
  return spec.hostUsers === false
}

export function isWindows({ spec }: PodFacts): boolean {
  return spec.os?.name === 'windows'
}

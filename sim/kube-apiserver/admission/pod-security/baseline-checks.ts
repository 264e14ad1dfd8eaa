/** What `baseline` forbids: pod-security-admission/policy/check_*.go. */
import { goQuote } from '../../../../lib/kube/go-quote.ts'
import { containersOf, hasOwnUsers, named, plural, quoted, setters, sorted } from './pod-facts.ts'
import type { Check, Container, SecurityContext } from './pod-facts.ts'

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/'
const PROFILE_TYPES = ['RuntimeDefault', 'Localhost']

export const appArmorProfile: Check = (pod) => {
  const values: string[] = []
  const who = setters(pod, ({ appArmorProfile: profile }) => {
    if (!profile || PROFILE_TYPES.includes(profile.type ?? '')) return false
    values.push(profile.type ?? '')
    return true
  })
  const annotations = Object.entries(pod.annotations).filter(
    ([key, value]) =>
      key.startsWith(APPARMOR_ANNOTATION) &&
      value !== '' &&
      value !== 'runtime/default' &&
      !value.startsWith('localhost/'),
  )
  const by = [
    ...(who === undefined ? [] : [who]),
    ...(annotations.length > 0 ? [plural('annotation', 'annotations', annotations.length)] : []),
  ]
  if (by.length === 0) return undefined
  const bad = [...sorted(values), ...sorted(annotations.map(([key, value]) => `${key}=${goQuote(value)}`))]
  return {
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', bad.length),
    detail: `${by.join(' and ')} must not set AppArmor profile type to ${quoted(bad)}`,
  }
}

/** What container runtimes give by themselves, but NET_RAW. */
const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])

export const capabilities: Check = (pod) => {
  const added = (container: Container): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter((each) => !DEFAULT_CAPABILITIES.has(each))
  const bad = containersOf(pod).filter((container) => added(container).length > 0)
  if (bad.length === 0) return undefined
  const list = quoted(sorted(bad.flatMap(added)))
  return {
    reason: 'non-default capabilities',
    detail: `${named(bad)} must not include ${list} in securityContext.capabilities.add`,
  }
}

export const hostNamespaces: Check = ({ spec }) => {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((each) => spec[each] === true)
  return shared.length === 0
    ? undefined
    : { reason: 'host namespaces', detail: shared.map((each) => `${each}=true`).join(', ') }
}

export const hostPathVolumes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => volume['hostPath'])
  if (bad.length === 0) return undefined
  const names = quoted(bad.map(({ name }) => name))
  return { reason: 'hostPath volumes', detail: `${plural('volume', 'volumes', bad.length)} ${names}` }
}

export const hostPorts: Check = (pod) => {
  const ports = ({ ports: all = [] }: Container): string[] =>
    all.flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [String(hostPort)]))
  const bad = containersOf(pod).filter((container) => ports(container).length > 0)
  if (bad.length === 0) return undefined
  const found = sorted(bad.flatMap(ports))
  const [uses, what] = [plural('uses', 'use', bad.length), plural('hostPort', 'hostPorts', found.length)]
  return { reason: 'hostPort', detail: `${named(bad)} ${uses} ${what} ${found.join(', ')}` }
}

export const hostProbes: Check = (pod) => {
  const hosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap((handler) =>
      [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => host !== undefined && host !== ''),
    ) as string[]
  const bad = containersOf(pod).filter((container) => hosts(container).length > 0)
  if (bad.length === 0) return undefined
  const containers = sorted(bad.map(({ name }) => name)).map((name) => ({ name }))
  const found = sorted(bad.flatMap(hosts))
  const uses = plural('uses', 'use', containers.length)
  const what = plural('probe or lifecycle host', 'probe or lifecycle hosts', found.length)
  return { reason: 'probe or lifecycle host', detail: `${named(containers)} ${uses} ${what} ${quoted(found)}` }
}

export const privileged: Check = (pod) => {
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.privileged === true)
  return bad.length === 0
    ? undefined
    : { reason: 'privileged', detail: `${named(bad)} must not set securityContext.privileged=true` }
}

export const procMount: Check = (pod) => {
  const mount = ({ securityContext }: Container): string => securityContext?.procMount ?? 'Default'
  const bad = containersOf(pod).filter((container) => mount(container) !== 'Default')
  if (bad.length === 0) return undefined
  const types = quoted(sorted(bad.map(mount)))
  return { reason: 'procMount', detail: `${named(bad)} must not set securityContext.procMount to ${types}` }
}

export const procMountOfOwnUsers: Check = (pod) => (hasOwnUsers(pod) ? undefined : procMount(pod))

const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t']

export const seLinuxOptions = seLinux(SELINUX_TYPES)
export const seLinuxOptionsWithEngine = seLinux([...SELINUX_TYPES, 'container_engine_t'])

function seLinux(allowed: readonly string[]): Check {
  return (pod) => {
    const found: NonNullable<SecurityContext['seLinuxOptions']>[] = []
    const who = setters(pod, ({ seLinuxOptions: options }) => {
      if (!options) return false
      const isBad = !allowed.includes(options.type ?? '') || Boolean(options.user) || Boolean(options.role)
      if (isBad) found.push(options)
      return isBad
    })
    if (who === undefined) return undefined
    const types = sorted(found.map(({ type = '' }) => type).filter((type) => !allowed.includes(type)))
    const bad = [
      ...(types.length > 0 ? [`${plural('type', 'types', types.length)} ${quoted(types)}`] : []),
      ...(found.some(({ user }) => user) ? ['user may not be set'] : []),
      ...(found.some(({ role }) => role) ? ['role may not be set'] : []),
    ]
    const detail = `${who} set forbidden securityContext.seLinuxOptions: ${bad.join('; ')}`
    return { reason: 'seLinuxOptions', detail }
  }
}

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod'
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/'

/** Up to 1.18 a profile was an annotation. */
export const seccompAnnotations: Check = (pod) => {
  const keys = [SECCOMP_POD, ...containersOf(pod).map(({ name }) => SECCOMP_CONTAINER + name)]
  const bad = keys.flatMap((key) => {
    const value = pod.annotations[key]
    const isGood = value === undefined || /^(runtime\/default$|docker\/default$|localhost\/)/.test(value)
    return isGood ? [] : [`${key}=${goQuote(value)}`]
  })
  const found = sorted(bad)
  return found.length === 0
    ? undefined
    : {
        reason: 'seccompProfile',
        detail: `forbidden ${plural('annotation', 'annotations', found.length)} ${found.join(', ')}`,
      }
}

export const seccompProfile: Check = (pod) => {
  const values: string[] = []
  const who = setters(pod, ({ seccompProfile: profile }) => {
    if (!profile || PROFILE_TYPES.includes(profile.type ?? '')) return false
    values.push(profile.type ?? '')
    return true
  })
  return who === undefined
    ? undefined
    : {
        reason: 'seccompProfile',
        detail: `${who} must not set securityContext.seccompProfile.type to ${quoted(sorted(values))}`,
      }
}

/** Sysctls that are a container's own, by the minor version that added them to the list. */
const SAFE_SYSCTLS: readonly [since: number, name: string][] = [
  [0, 'kernel.shm_rmid_forced'],
  [0, 'net.ipv4.ip_local_port_range'],
  [0, 'net.ipv4.tcp_syncookies'],
  [0, 'net.ipv4.ping_group_range'],
  [0, 'net.ipv4.ip_unprivileged_port_start'],
  [27, 'net.ipv4.ip_local_reserved_ports'],
  [29, 'net.ipv4.tcp_keepalive_time'],
  [29, 'net.ipv4.tcp_fin_timeout'],
  [29, 'net.ipv4.tcp_keepalive_intvl'],
  [29, 'net.ipv4.tcp_keepalive_probes'],
  [32, 'net.ipv4.tcp_rmem'],
  [32, 'net.ipv4.tcp_wmem'],
  [37, 'net.ipv4.tcp_slow_start_after_idle'],
  [37, 'net.ipv4.tcp_notsent_lowat'],
]

export function sysctls(minor: number): Check {
  const safe = new Set(SAFE_SYSCTLS.filter(([since]) => since <= minor).map(([, name]) => name))
  return ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).filter(({ name }) => !safe.has(name))
    return bad.length === 0
      ? undefined
      : { reason: 'forbidden sysctls', detail: bad.map(({ name }) => name).join(', ') }
  }
}

export const windowsHostProcess: Check = (pod) => {
  const who = setters(pod, ({ windowsOptions }) => windowsOptions?.hostProcess === true)
  return who === undefined
    ? undefined
    : { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` }
}

/** Which checks a level has in which version, and what they say of a Pod: pod-security-admission/policy/registry.go. */
import * as baseline from './baseline-checks.ts'
import * as restricted from './restricted-checks.ts'
import type { Check, PodFacts, Violation } from './pod-facts.ts'
import type { LevelVersion } from './policy.ts'

interface Versioned {
  id: string
  /** By the minor version since which it is so, the newest last. */
  since: readonly [minor: number, check: Check][]
  /** The check of `baseline` that this one stands for as well. */
  instead?: string
}

const { exceptWindows, exceptOwnUsers } = restricted

/** Both lists in the order in which violations are named. */
const BASELINE: readonly Versioned[] = [
  { id: 'appArmorProfile', since: [[0, baseline.appArmorProfile]] },
  { id: 'capabilities', since: [[0, baseline.capabilities]] },
  { id: 'hostNamespaces', since: [[0, baseline.hostNamespaces]] },
  { id: 'hostPathVolumes', since: [[0, baseline.hostPathVolumes]] },
  { id: 'hostPorts', since: [[0, baseline.hostPorts]] },
  { id: 'hostProbes', since: [[34, baseline.hostProbes]] },
  { id: 'privileged', since: [[0, baseline.privileged]] },
  {
    id: 'procMount',
    since: [
      [0, baseline.procMount],
      [35, baseline.procMountOfOwnUsers],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [
      [0, baseline.seLinuxOptions],
      [31, baseline.seLinuxOptionsWithEngine],
    ],
  },
  {
    id: 'seccompProfile',
    since: [
      [0, baseline.seccompAnnotations],
      [19, baseline.seccompProfile],
    ],
  },
  { id: 'sysctls', since: [0, 27, 29, 32, 37].map((minor) => [minor, baseline.sysctls(minor)]) },
  { id: 'windowsHostProcess', since: [[0, baseline.windowsHostProcess]] },
]

const RESTRICTED: readonly Versioned[] = [
  {
    id: 'allowPrivilegeEscalation',
    since: [
      [8, restricted.allowPrivilegeEscalation],
      [25, exceptWindows(restricted.allowPrivilegeEscalation)],
    ],
  },
  {
    id: 'droppedCapabilities',
    since: [
      [22, restricted.droppedCapabilities],
      [25, exceptWindows(restricted.droppedCapabilities)],
    ],
    instead: 'capabilities',
  },
  { id: 'procMountAlways', since: [[35, baseline.procMount]], instead: 'procMount' },
  { id: 'restrictedVolumes', since: [[0, restricted.restrictedVolumes]], instead: 'hostPathVolumes' },
  {
    id: 'runAsNonRoot',
    since: [
      [0, restricted.runAsNonRoot],
      [35, exceptOwnUsers(restricted.runAsNonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    since: [
      [23, restricted.runAsUser],
      [35, exceptOwnUsers(restricted.runAsUser)],
    ],
  },
  {
    id: 'setSeccompProfile',
    since: [
      [19, restricted.setSeccompProfile],
      [25, exceptWindows(restricted.setSeccompProfile)],
    ],
    instead: 'seccompProfile',
  },
]

/** `latest`, and any version after it, is the server's own. */
export function violationsOf(pod: PodFacts, { level, version }: LevelVersion, serverMinor: number): Violation[] {
  if (level === 'privileged') return []
  const minor = version === 'latest' ? serverMinor : Math.min(serverMinor, Number(version.slice('v1.'.length)))
  return checksOf(level === 'restricted', minor).flatMap((check) => check(pod) ?? [])
}

function checksOf(isRestricted: boolean, minor: number): Check[] {
  const checkOf = ({ since }: Versioned): Check | undefined => since.findLast(([from]) => from <= minor)?.[1]
  const more = isRestricted ? RESTRICTED.filter((each) => checkOf(each)) : []
  const replaced = new Set(more.map(({ instead }) => instead))
  return [...BASELINE.filter(({ id }) => !replaced.has(id)), ...more].flatMap((each) => checkOf(each) ?? [])
}

/** `privileged (container "c" must not set …), hostPath volumes (volume "v")`. */
export function detailText(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ')
}

export function reasonText(violations: readonly Violation[]): string {
  return violations.map(({ reason }) => reason).join(', ')
}

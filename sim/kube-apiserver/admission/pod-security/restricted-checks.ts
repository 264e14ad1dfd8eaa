/** What `restricted` asks for beside `baseline`: pod-security-admission/policy/check_*.go. */
import { containersOf, hasOwnUsers, isWindows, named, plural, quoted, setters, sorted } from './pod-facts.ts'
import type { Check, Container } from './pod-facts.ts'
import { seccompProfile } from './baseline-checks.ts'

/** Since 1.25 a Pod that says it is for Windows is not asked for what Windows does not have. */
export function exceptWindows(check: Check): Check {
  return (pod) => (isWindows(pod) ? undefined : check(pod))
}

/** Since 1.35 a Pod with users of its own may be root in there. */
export function exceptOwnUsers(check: Check): Check {
  return (pod) => (hasOwnUsers(pod) ? undefined : check(pod))
}

export const allowPrivilegeEscalation: Check = (pod) => {
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false)
  return bad.length === 0
    ? undefined
    : {
        reason: 'allowPrivilegeEscalation != false',
        detail: `${named(bad)} must set securityContext.allowPrivilegeEscalation=false`,
      }
}

export const droppedCapabilities: Check = (pod) => {
  const containers = containersOf(pod)
  const undropped = containers.filter(({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'))
  const added = ({ securityContext }: Container): string[] =>
    (securityContext?.capabilities?.add ?? []).filter((each) => each !== 'NET_BIND_SERVICE')
  const adding = containers.filter((container) => added(container).length > 0)
  const details = [
    ...(undropped.length > 0 ? [`${named(undropped)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [
          `${named(adding)} must not include ${quoted(sorted(adding.flatMap(added)))} in securityContext.capabilities.add`,
        ]
      : []),
  ]
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

const OPEN_SOURCES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]
const CLOSED_SOURCES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
]

export const restrictedVolumes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter((volume) => !OPEN_SOURCES.some((source) => volume[source]))
  if (bad.length === 0) return undefined
  const types = sorted(bad.map((volume) => CLOSED_SOURCES.find((source) => volume[source]) ?? 'unknown'))
  const volumes = `${plural('volume', 'volumes', bad.length)} ${quoted(bad.map(({ name }) => name))}`
  const what = plural('restricted volume type', 'restricted volume types', types.length)
  return {
    reason: 'restricted volume types',
    detail: `${volumes} ${plural('uses', 'use', bad.length)} ${what} ${quoted(types)}`,
  }
}

export const runAsNonRoot: Check = (pod) => {
  const reason = 'runAsNonRoot != true'
  const who = setters(pod, (context) => context.runAsNonRoot === false)
  if (who !== undefined) return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` }
  if (pod.spec.securityContext?.runAsNonRoot) return undefined
  const silent = containersOf(pod).filter(({ securityContext }) => securityContext?.runAsNonRoot === undefined)
  return silent.length === 0
    ? undefined
    : { reason, detail: `pod or ${named(silent)} must set securityContext.runAsNonRoot=true` }
}

export const runAsUser: Check = (pod) => {
  const who = setters(pod, (context) => context.runAsUser === 0)
  return who === undefined ? undefined : { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` }
}

export const setSeccompProfile: Check = (pod) => {
  const explicit = seccompProfile(pod)
  if (explicit || pod.spec.securityContext?.seccompProfile) return explicit
  const silent = containersOf(pod).filter(({ securityContext }) => !securityContext?.seccompProfile)
  return silent.length === 0
    ? undefined
    : {
        reason: 'seccompProfile',
        detail: `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      }
}

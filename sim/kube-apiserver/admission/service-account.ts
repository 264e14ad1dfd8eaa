/** Gives every Pod a service account and its token: plugin/pkg/admission/serviceaccount/admission.go. */
import { randomInt } from 'node:crypto'
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { isMirrorPod, podReferences, podSpec } from '../authorization/pod-references.ts'
import type { PodSpec, ProjectedSource, Volume } from '../authorization/pod-references.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { forbid } from './plugin.ts'

const VOLUME_PREFIX = 'kube-api-access-'
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
/** One hour and seven seconds: the odd number marks the token as one that the server may extend (service account token volume). */
const TOKEN_SECONDS = 3607

interface MountingContainer {
  volumeMounts?: { name: string; readOnly?: boolean; mountPath: string }[]
}

type MutableSpec = PodSpec & {
  serviceAccount?: string
  containers?: MountingContainer[]
  initContainers?: MountingContainer[]
}

/** Gate BoundServiceAccountTokenVolume, beta and on in 1.21. */
const BOUND_TOKENS_SINCE = 21

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  mutate(admission, { objects, minorVersion = 36 }) {
    const { operation, request, object: pod } = admission
    if (request.resource !== 'pods' || request.subresource !== '' || operation !== 'CREATE' || !pod) return undefined
    if (isMirrorPod(pod)) {
      const text = refuseMirror(pod)
      return text === undefined ? undefined : forbid(this.name, admission, text)
    }
    const spec = podSpec(pod) as MutableSpec
    pod['spec'] = spec
    spec.serviceAccountName ||= 'default'
    spec.serviceAccount = spec.serviceAccountName
    const account = objects.get('serviceaccounts', request.namespace, spec.serviceAccountName)
    if (!account) {
      const name = spec.serviceAccountName
      const looked = `error looking up service account ${request.namespace}/${name}`
      return forbid(this.name, admission, `${looked}: serviceaccount ${goQuote(name)} not found`)
    }
    // Before, the token of a Secret was mounted: none is issued here, and a Pod without one may not wait for it.
    if (minorVersion >= BOUND_TOKENS_SINCE && mountsToken(spec, account)) mountToken(spec)
    const pullSecrets = account['imagePullSecrets'] as { name?: string }[] | undefined
    if (!spec.imagePullSecrets?.length && pullSecrets?.length) spec.imagePullSecrets = structuredClone(pullSecrets)
    return undefined
  },
}

// a kubelet recreates a mirror pod that was changed, so these are never changed, only refused
function refuseMirror(pod: KubeObject): string | undefined {
  const { serviceAccount: account, secrets } = podReferences(pod)
  if (account !== '') return 'a mirror pod may not reference service accounts'
  if (secrets.length > 0) return 'a mirror pod may not reference secrets'
  const sources = (podSpec(pod).volumes ?? []).flatMap((volume) => volume.projected?.sources ?? [])
  return sources.some((source) => source.serviceAccountToken)
    ? 'a mirror pod may not use ServiceAccountToken volume projections'
    : undefined
}

function mountsToken(spec: PodSpec, account: KubeObject): boolean {
  return spec.automountServiceAccountToken ?? (account['automountServiceAccountToken'] as boolean | undefined) ?? true
}

function mountToken(spec: MutableSpec): void {
  const existing = spec.volumes?.find((volume) => volume.name.startsWith(VOLUME_PREFIX))
  const name = existing?.name ?? VOLUME_PREFIX + randomSuffix()
  let mounted = false
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])] as MountingContainer[]) {
    if (container.volumeMounts?.some((mount) => mount.mountPath === MOUNT_PATH)) continue
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: MOUNT_PATH }]
    mounted = true
  }
  if (mounted && !existing) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)]
}

function tokenVolume(name: string): Volume {
  const sources: ProjectedSource[] = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] },
    },
  ]
  return { name, projected: { sources, defaultMode: 0o644 } }
}

/** apiserver/pkg/storage/names: five of these, no vowels and nothing that looks like another. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join('')
}

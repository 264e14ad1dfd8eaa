/** The API objects that a Pod's spec names: pkg/api/pod/util.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'

export interface PodReferences {
  serviceAccount: string
  secrets: string[]
  configMaps: string[]
  persistentVolumeClaims: string[]
  resourceClaims: string[]
}

interface Named {
  name?: string
}

interface Container {
  env?: { valueFrom?: { secretKeyRef?: Named; configMapKeyRef?: Named } }[]
  envFrom?: { secretRef?: Named; configMapRef?: Named }[]
}

export interface ProjectedSource {
  secret?: Named
  configMap?: Named & { items?: { key: string; path: string }[] }
  serviceAccountToken?: { audience?: string; expirationSeconds?: number; path?: string }
  clusterTrustBundle?: object
  podCertificate?: object
  downwardAPI?: object
}

export interface Volume {
  name: string
  secret?: { secretName?: string }
  configMap?: Named
  persistentVolumeClaim?: { claimName?: string }
  ephemeral?: object
  projected?: { sources?: ProjectedSource[]; defaultMode?: number }
  azureFile?: { secretName?: string }
  glusterfs?: object
  csi?: { driver?: string; nodePublishSecretRef?: Named }
  cephfs?: { secretRef?: Named }
  cinder?: { secretRef?: Named }
  flexVolume?: { secretRef?: Named }
  iscsi?: { secretRef?: Named }
  rbd?: { secretRef?: Named }
  scaleIO?: { secretRef?: Named }
  storageos?: { secretRef?: Named }
}

export interface PodSpec {
  nodeName?: string
  serviceAccountName?: string
  automountServiceAccountToken?: boolean
  imagePullSecrets?: Named[]
  containers?: Container[]
  initContainers?: Container[]
  ephemeralContainers?: Container[]
  resourceClaims?: { name: string; resourceClaimName?: string }[]
  volumes?: Volume[]
}

interface PodStatus {
  resourceClaimStatuses?: { name: string; resourceClaimName?: string }[]
  extendedResourceClaimStatus?: { resourceClaimName?: string }
}

export function podSpec(pod: KubeObject): PodSpec {
  return (pod['spec'] as PodSpec | undefined) ?? {}
}

/** A Pod that a kubelet made for a file on its disk. */
export function isMirrorPod(pod: KubeObject): boolean {
  return pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
}

export function podReferences(pod: KubeObject): PodReferences {
  const spec = podSpec(pod)
  const status = (pod['status'] as PodStatus | undefined) ?? {}
  const volumes = spec.volumes ?? []
  const sources = volumes.flatMap((volume) => volume.projected?.sources ?? [])
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
  const env = containers.flatMap((container) => container.env ?? []).map((each) => each.valueFrom ?? {})
  const envFrom = containers.flatMap((container) => container.envFrom ?? [])
  return {
    serviceAccount: spec.serviceAccountName ?? '',
    secrets: names([
      ...(spec.imagePullSecrets ?? []).map((each) => each.name),
      ...env.map((each) => each.secretKeyRef?.name),
      ...envFrom.map((each) => each.secretRef?.name),
      ...volumes.flatMap(secretNames),
      ...sources.map((source) => source.secret?.name),
    ]),
    configMaps: names([
      ...env.map((each) => each.configMapKeyRef?.name),
      ...envFrom.map((each) => each.configMapRef?.name),
      ...volumes.map((volume) => volume.configMap?.name),
      ...sources.map((source) => source.configMap?.name),
    ]),
    persistentVolumeClaims: names(
      volumes.map((volume) =>
        volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : volume.persistentVolumeClaim?.claimName,
      ),
    ),
    resourceClaims: names([
      ...(spec.resourceClaims ?? []).map((claim) => claim.resourceClaimName),
      ...(status.resourceClaimStatuses ?? []).map((claim) => claim.resourceClaimName),
      status.extendedResourceClaimStatus?.resourceClaimName,
    ]),
  }
}

function secretNames(volume: Volume): (string | undefined)[] {
  const { secret, azureFile, csi, cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos } = volume
  const withSecretRef = [cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos]
  return [
    secret?.secretName,
    azureFile?.secretName,
    csi?.nodePublishSecretRef?.name,
    ...withSecretRef.map((each) => each?.secretRef?.name),
  ]
}

function names(found: readonly (string | undefined)[]): string[] {
  return [...new Set(found.filter((name) => name !== undefined && name !== ''))] as string[]
}

/** The API objects a kubelet's mirror pod must not name, in the order and words of pkg/api/pod/util.go (HasAPIObjectReference). */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { podReferences, podSpec } from '../authorization/pod-references.ts'
import type { ProjectedSource, Volume } from '../authorization/pod-references.ts'

/** What the Pod names first, undefined where it needs nothing of the API. */
export function apiObjectReference(pod: KubeObject): string | undefined {
  const references = podReferences(pod)
  if (references.serviceAccount !== '') return 'serviceaccounts'
  if (references.secrets.length > 0) return 'secrets'
  if (references.configMaps.length > 0) return 'configmaps'
  if ((podSpec(pod).resourceClaims ?? []).length > 0) return 'resourceclaims'
  return (podSpec(pod).volumes ?? []).map(volumeReference).find((each) => each !== undefined)
}

function volumeReference(volume: Volume): string | undefined {
  if (volume.configMap) return 'configmaps (via configmap volumes)'
  if (volume.secret) return 'secrets (via secret volumes)'
  if (volume.csi) return 'csidrivers (via CSI volumes)'
  if (volume.glusterfs) return 'endpoints (via glusterFS volumes)'
  if (volume.persistentVolumeClaim) return 'persistentvolumeclaims'
  if (volume.ephemeral) return 'persistentvolumeclaims (via ephemeral volumes)'
  if (volume.azureFile) return 'secrets (via azureFile volumes)'
  return (volume.projected?.sources ?? []).map(sourceReference).find((each) => each !== undefined)
}

function sourceReference(source: ProjectedSource): string | undefined {
  if (source.configMap) return 'configmaps (via projected volumes)'
  if (source.secret) return 'secrets (via projected volumes)'
  if (source.serviceAccountToken) return 'serviceaccounts (via projected volumes)'
  if (source.clusterTrustBundle) return 'clustertrustbundles'
  return source.podCertificate ? 'podcertificates' : undefined
}

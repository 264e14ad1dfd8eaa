/** Which tokens a kubelet may ask for: of the accounts of its own Pods, for the audiences these Pods name. noderestriction/admission.go. */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import type { Volume } from '../authorization/pod-references.ts'
import { podSpec } from '../authorization/pod-references.ts'
import type { AdmissionContext, AdmissionRefusal, AdmissionRequest } from './plugin.ts'
import { missing } from './plugin.ts'

interface TokenRequestSpec {
  audiences?: string[]
  boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string }
}

export function refuseNodeToken(
  node: string,
  { request, object, user }: AdmissionRequest,
  { objects, authorize }: AdmissionContext,
): string | AdmissionRefusal | undefined {
  const { audiences = [], boundObjectRef: bound } = (object?.['spec'] as TokenRequestSpec | undefined) ?? {}
  if (!bound || bound.apiVersion !== 'v1' || bound.kind !== 'Pod' || !bound.name)
    return 'node requested token not bound to a pod'
  if (!bound.uid) return 'node requested token with a pod binding without a uid'
  const pod = objects.get('pods', request.namespace, bound.name)
  if (!pod) return missing('NodeRestriction', 'pod', bound.name)
  if (pod.metadata.uid !== bound.uid) {
    const mismatch = `the UID in the bound object reference (${bound.uid}) does not match the UID in record`
    return `${mismatch}. The object might have been deleted and then recreated`
  }
  if (podSpec(pod).nodeName !== node) return 'node requested token bound to a pod scheduled on a different node'
  if (audiences.length > 1) return 'node may only request 0 or 1 audiences'
  const audience = audiences[0] ?? ''
  const inPod = audiencesOfPod(pod, objects)
  if (inPod.audiences.has(audience)) return undefined
  if (inPod.missingDriver !== undefined) {
    const lookup = `csidriver.storage.k8s.io ${goQuote(inPod.missingDriver)} not found`
    return `error validating audience ${goQuote(audience)}: ${lookup}`
  }
  const asked = {
    ...request,
    verb: 'request-serviceaccounts-token-audience',
    resource: audience,
    subresource: '',
    fieldSelector: '',
  }
  if (authorize(user, asked).decision === 'allow') return undefined
  return `audience ${goQuote(audience)} not found in pod spec volume, ${user.username} is not authorized to request tokens for this audience`
}

interface PodAudiences {
  audiences: Set<string>
  missingDriver?: string
}

/** The audiences of projected tokens, and those that the CSI drivers of the Pod's volumes ask for. `''` is the API's. */
function audiencesOfPod(pod: KubeObject, objects: AdmissionContext['objects']): PodAudiences {
  const inPod: PodAudiences = { audiences: new Set() }
  for (const volume of podSpec(pod).volumes ?? []) {
    for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
      if (serviceAccountToken) inPod.audiences.add(serviceAccountToken.audience ?? '')
    }
    const driver = driverOf(volume, pod, objects)
    if (driver === undefined) continue
    const found = objects.get('csidrivers', '', driver)
    if (!found) inPod.missingDriver = driver
    const requests = (found?.['spec'] as { tokenRequests?: { audience?: string }[] } | undefined)?.tokenRequests ?? []
    for (const { audience } of requests) inPod.audiences.add(audience ?? '')
  }
  return inPod
}

function driverOf(volume: Volume, pod: KubeObject, objects: AdmissionContext['objects']): string | undefined {
  if (volume.csi) return volume.csi.driver
  const claimName = volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : volume.persistentVolumeClaim?.claimName
  if (!claimName) return undefined
  const claim = objects.get('persistentvolumeclaims', pod.metadata.namespace ?? '', claimName)
  const volumeName = (claim?.['spec'] as { volumeName?: string } | undefined)?.volumeName
  if (!volumeName) return undefined
  const persistentVolume = objects.get('persistentvolumes', '', volumeName)
  return (persistentVolume?.['spec'] as { csi?: { driver?: string } } | undefined)?.csi?.driver
}

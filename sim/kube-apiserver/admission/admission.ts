/** The admission plugins of --enable-admission-plugins and --disable-admission-plugins, in the real order. */
import { refuseEscalation } from '../authorization/escalation.ts'
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './defaults.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRefusal, AdmissionRequest } from './plugin.ts'
import { serviceAccount } from './service-account.ts'

/** Every plugin of 1.36 in the order they run: pkg/kubeapiserver/options/plugins.go (AllOrderedPlugins). */
export const ADMISSION_PLUGINS = [
  'AlwaysAdmit',
  'NamespaceAutoProvision',
  'NamespaceLifecycle',
  'NamespaceExists',
  'LimitPodHardAntiAffinityTopology',
  'LimitRanger',
  'ServiceAccount',
  'NodeRestriction',
  'TaintNodesByCondition',
  'AlwaysPullImages',
  'ImagePolicyWebhook',
  'PodSecurity',
  'PodNodeSelector',
  'Priority',
  'DefaultTolerationSeconds',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'DefaultStorageClass',
  'StorageObjectInUseProtection',
  'OwnerReferencesPermissionEnforcement',
  'PersistentVolumeClaimResize',
  'RuntimeClass',
  'CertificateApproval',
  'CertificateSigning',
  'ClusterTrustBundleAttest',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DenyServiceExternalIPs',
  'PodTopologyLabels',
  'NodeDeclaredFeatureValidator',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
  'ResourceQuota',
  'AlwaysDeny',
] as const

const OFF_BY_DEFAULT = new Set<string>([
  'AlwaysAdmit',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'LimitPodHardAntiAffinityTopology',
  'NodeRestriction',
  'AlwaysPullImages',
  'ImagePolicyWebhook',
  'PodNodeSelector',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'OwnerReferencesPermissionEnforcement',
  'DenyServiceExternalIPs',
  'AlwaysDeny',
])

/** Those that the simulation gives an effect; the others are accepted by name and do nothing. */
const SIMULATED: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  serviceAccount,
  nodeRestriction,
  taintNodesByCondition,
  priority,
  defaultTolerationSeconds,
]

export interface AdmissionSettings {
  enable: readonly string[]
  disable: readonly string[]
}

/** Names that no plugin has, as the real refusal at start lists them: `admission-control plugin "<name>" is unknown`. */
export function unknownPlugins({ enable, disable }: AdmissionSettings): string[] {
  return [...enable, ...disable].filter((name) => !(ADMISSION_PLUGINS as readonly string[]).includes(name))
}

/** The plugins that are on, in order. */
export function enabledPlugins({ enable, disable }: AdmissionSettings): string[] {
  const enabled = new Set(enable)
  const disabled = new Set(disable)
  return ADMISSION_PLUGINS.filter((name) => enabled.has(name) || (!OFF_BY_DEFAULT.has(name) && !disabled.has(name)))
}

/** Of those that are on, the ones that are only accepted. */
export function inertPlugins(settings: AdmissionSettings): string[] {
  return enabledPlugins(settings).filter((name) => !SIMULATED.some((plugin) => plugin.name === name))
}

/** Lets a request pass, with the object as the plugins left it, or says who refused it. */
export type Admit = (admission: AdmissionRequest) => AdmissionRefusal | undefined

/**
 * Plugins change `admission.object` in place. What a role grants is checked last, after the plugins, as the registry of the
 * real one does; `system:masters` may grant everything.
 */
export function createAdmission(settings: AdmissionSettings, context: AdmissionContext): Admit {
  const on = new Set(enabledPlugins(settings))
  const plugins = SIMULATED.filter((plugin) => on.has(plugin.name))
  return (admission) => {
    for (const plugin of plugins) {
      const refusal = plugin.admit(admission, context)
      if (refusal) return refusal
    }
    return refuseEscalation(admission, context)
  }
}

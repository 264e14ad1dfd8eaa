/** The admission plugins of --enable-admission-plugins and --disable-admission-plugins, in the real order. */
import { refuseEscalation } from '../authorization/escalation.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts'
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './defaults.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import type { AdmissionContext, AdmissionPlugin, AdmissionRefusal, AdmissionRequest } from './plugin.ts'
import { podSecurity } from './pod-security/pod-security.ts'
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
  podSecurity,
  priority,
  defaultTolerationSeconds,
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
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

/**
 * The two points at which plugins see a write. A create or update goes through `mutate`, then the registry's own defaults and
 * validation, then `validate`; a delete goes through both once the object was found. `undefined` lets it pass.
 */
export interface Admission {
  /** Before a create is judged: plugins wait for what their cache has not heard of yet. */
  ready(admission: AdmissionRequest): Promise<void>
  /** Plugins change `admission.object` in place. What a role grants is checked last, as the registry of the real one does. */
  mutate(admission: AdmissionRequest): AdmissionRefusal | undefined
  validate(admission: AdmissionRequest): AdmissionRefusal | undefined
}

export function createAdmission(settings: AdmissionSettings, context: AdmissionContext): Admission {
  const on = new Set(enabledPlugins(settings))
  const plugins = SIMULATED.filter((plugin) => on.has(plugin.name))
  return {
    ready: async (admission) => {
      for (const plugin of plugins) await plugin.ready?.(admission, context)
    },
    mutate: (admission) =>
      firstOf(plugins, (plugin) => plugin.mutate?.(admission, context)) ?? refuseEscalation(admission, context),
    validate: (admission) => firstOf(plugins, (plugin) => plugin.validate?.(admission, context)),
  }
}

function firstOf<Item, Answer>(items: readonly Item[], ask: (item: Item) => Answer | undefined): Answer | undefined {
  for (const item of items) {
    const answer = ask(item)
    if (answer !== undefined) return answer
  }
  return undefined
}

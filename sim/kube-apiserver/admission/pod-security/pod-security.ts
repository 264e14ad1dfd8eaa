/**
 * Pod Security: what Pods may ask of their node, by labels of their namespace. On by default since 1.23, and holds nobody to
 * anything where neither a label nor the configuration says so. plugin/pkg/admission/security/podsecurity/admission.go,
 * pod-security-admission/admission/admission.go. What makes Pods of a template (apps, batch) is not served here.
 */
import { goQuote } from '../../../../lib/kube/go-quote.ts'
import type { KubeObject } from '../../../../lib/kube/object.ts'
import { internalError, invalid } from '../../../../lib/kube/status.ts'
import {
  forbid,
  type AdmissionContext,
  type AdmissionPlugin,
  type AdmissionRefusal,
  type AdmissionRequest,
} from '../plugin.ts'
import { detailText, reasonText, violationsOf } from './evaluate.ts'
import type { Container, PodFacts } from './pod-facts.ts'
import {
  compareLevels,
  holdsNothing,
  isEquivalent,
  isSame,
  labelledModes,
  levelVersionText,
  NO_SETTINGS,
  policyOf,
  PREFIX,
  type LevelVersion,
} from './policy.ts'

const NAME = 'PodSecurity'
/** Gate PodSecurity, beta and on. */
const SINCE = 23

/** Any other may change what a Pod is. */
const HARMLESS = ['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']

export const podSecurity: AdmissionPlugin = {
  name: NAME,
  validate(admission, context) {
    const { operation, request } = admission
    if ((context.minorVersion ?? 36) < SINCE || (operation !== 'CREATE' && operation !== 'UPDATE')) return undefined
    if (request.resource === 'namespaces' && request.subresource === '') return judgeNamespace(admission, context)
    const isPod = request.resource === 'pods' && !HARMLESS.includes(request.subresource)
    return isPod ? judgePod(admission, context) : undefined
  },
}

function judgePod(admission: AdmissionRequest, context: AdmissionContext): AdmissionRefusal | undefined {
  const { request, user, object, oldObject, annotate, warn } = admission
  const { defaults, exempt } = context.podSecurity ?? NO_SETTINGS
  const note = (key: string, value: string): void => annotate?.(PREFIX + key, value)
  const freed = (why: string): undefined => {
    note('exempt', why)
  }
  if (exempt.namespaces.includes(request.namespace)) return freed('namespace')
  if (exempt.usernames.includes(user.username)) return freed('user')
  const namespace = context.objects.get('namespaces', '', request.namespace)
  if (!namespace) {
    const { status } = internalError(`failed to lookup namespace ${goQuote(request.namespace)}`)
    return { plugin: NAME, layer: 'admission', status }
  }
  const { policy, errors } = policyOf(namespace.metadata.labels ?? {}, defaults)
  if (errors.length === 0 && holdsNothing(policy)) {
    note('enforce-policy', 'privileged:latest')
    return undefined
  }
  if (!object || (oldObject && !isTelling(object, oldObject))) return undefined
  const pod = factsOf(object)
  if (exempt.runtimeClasses.includes(pod.spec.runtimeClassName ?? '')) return freed('runtimeClass')
  if (errors.length > 0) {
    const texts = errors.map(({ field, message }) => `${field}: ${message}`)
    note('error', `Failed to parse policy: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`)
  }
  /** What a mode has against the Pod: `PodSecurity "baseline:latest": privileged (…)`. */
  const against = (held: LevelVersion): string | undefined => {
    const violations = violationsOf(pod, held, context.minorVersion ?? 36)
    if (violations.length === 0) return undefined
    return `PodSecurity ${goQuote(levelVersionText(held))}: ${detailText(violations)}`
  }
  note('enforce-policy', levelVersionText(policy.enforce))
  const [enforced, audited, warned] = [against(policy.enforce), against(policy.audit), against(policy.warn)]
  if (audited !== undefined) note('audit-violations', `would violate ${audited}`)
  if (enforced !== undefined) return forbid(NAME, admission, `violates ${enforced}`)
  if (warned !== undefined) warn?.(`would violate ${warned}`)
  return undefined
}

function judgeNamespace(admission: AdmissionRequest, context: AdmissionContext): AdmissionRefusal | undefined {
  const { object, oldObject, warn } = admission
  const { defaults, exempt } = context.podSecurity ?? NO_SETTINGS
  if (!object) return undefined
  const { name = '', labels = {} } = object.metadata
  const { policy, errors } = policyOf(labels, defaults)
  const before = oldObject && policyOf(oldObject.metadata.labels ?? {}, defaults)
  if (errors.length > 0 && JSON.stringify(errors) !== JSON.stringify(before?.errors)) {
    return { plugin: NAME, layer: 'admission', status: invalid('Namespace', '', name, errors).status }
  }
  const { enforce } = policy
  const old = before?.policy.enforce
  const isStronger = enforce.version !== old?.version || compareLevels(enforce.level, old.level) > 0
  if (old && (isSame(enforce, old) || enforce.level === 'privileged' || !isStronger)) return undefined
  if (exempt.namespaces.includes(name)) {
    if (holdsNothing(policy) || isEquivalent(policy, defaults)) return undefined
    const said = labelledModes(labels, policy)
    warn?.(`namespace ${goQuote(name)} is exempt from Pod Security, and the policy (${said}) will be ignored`)
  } else if (old) for (const text of strayPods(name, enforce, context)) warn?.(text)
  return undefined
}

/** Pods that are there already and would not be let in now: they stay. */
function strayPods(namespace: string, enforce: LevelVersion, context: AdmissionContext): string[] {
  const { exempt } = context.podSecurity ?? NO_SETTINGS
  const byReason = new Map<string, string[]>()
  for (const pod of context.objects.list('pods', namespace)) {
    const facts = factsOf(pod)
    if (exempt.runtimeClasses.includes(facts.spec.runtimeClassName ?? '')) continue
    const reason = reasonText(violationsOf(facts, enforce, context.minorVersion ?? 36))
    if (reason !== '') byReason.set(reason, [...(byReason.get(reason) ?? []), pod.metadata.name ?? ''])
  }
  if (byReason.size === 0) return []
  const said = levelVersionText(enforce)
  const head = `existing pods in namespace ${goQuote(namespace)} violate the new PodSecurity enforce level ${goQuote(said)}`
  const texts = [...byReason].map(([reason, names]) => {
    const others = names.length - 1
    const more = others === 0 ? '' : others === 1 ? ' (and 1 other pod)' : ` (and ${others} other pods)`
    return `${names.toSorted()[0]}${more}: ${reason}`
  })
  return [head, ...texts.toSorted()]
}

function factsOf({ metadata, spec }: KubeObject): PodFacts {
  return { annotations: metadata.annotations ?? {}, spec: (spec as PodFacts['spec'] | undefined) ?? {} }
}

/** Of what may change in a Pod, images and the number of containers are looked at. */
function isTelling(pod: KubeObject, old: KubeObject): boolean {
  const lists = ['containers', 'initContainers'] as const
  const [now, before] = [factsOf(pod).spec, factsOf(old).spec]
  if (lists.some((list) => images(now[list]) !== images(before[list]))) return true
  return (now.ephemeralContainers ?? []).some(
    ({ name, image }) => before.ephemeralContainers?.find((each) => each.name === name)?.image !== image,
  )
}

function images(containers: readonly Container[] = []): string {
  return JSON.stringify(containers.map(({ image }) => image ?? ''))
}

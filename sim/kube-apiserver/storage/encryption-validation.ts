/** What an EncryptionConfiguration may not say: apiserver/pkg/apis/apiserver/validation/validation_encryption.go. */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { EncryptionKey, EncryptionProvider, ResourceEncryption } from './encryption-configuration.ts'

const AES_BYTES = [16, 24, 32]
const SECRETBOX_BYTES = [32]
const WITHOUT_REST = ['serviceipallocations', 'servicenodeportallocations']
const OVERLAP =
  "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"

/** All complaints as Go's field.ErrorList says them, or that a rule is masked; undefined for a good configuration. */
export function refuseEncryptionConfiguration(rules: readonly ResourceEncryption[]): string | undefined {
  if (rules.length === 0) return 'resources: Required value: at least one resources is required'
  const errors = rules.flatMap((rule, index) => ruleErrors(rule, `resources[${index}]`))
  if (errors.length > 0) return errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`
  return undefined
}

/** A rule behind one that takes everything it names: an error of building, not of parsing. */
export function maskedRule(rules: readonly ResourceEncryption[]): string | undefined {
  const seen: string[] = []
  for (const { resources } of rules) {
    for (const resource of resources) {
      const mask = seen.find((each) => each !== resource && masks(each, resource))
      if (mask !== undefined) return `resource ${goQuote(resource)} is masked by earlier rule ${goQuote(mask)}`
    }
    seen.push(...resources)
  }
  return undefined
}

function masks(rule: string, resource: string): boolean {
  if (rule === '*.*') return true
  if (rule === '*.') return !resource.includes('.') || resource === '*.'
  return rule.startsWith('*.') && resource.slice(resource.indexOf('.')) === rule.slice(1) && !resource.startsWith('*')
}

function ruleErrors({ resources, providers }: ResourceEncryption, path: string): string[] {
  const errors: string[] = []
  if (resources.length === 0)
    errors.push(`${path}.resources: Required value: at least one ${path}.resources is required`)
  const invalid = (index: number, name: string, why: string): number =>
    errors.push(`${path}.resources[${index}]: Invalid value: ${goQuote(name)}: ${why}`)
  for (const [index, name] of resources.entries()) {
    if (/[A-Z]/.test(name)) invalid(index, name, 'resource name should not contain capital letters')
    else if (WITHOUT_REST.includes(name))
      invalid(index, name, 'resources which do not have REST API/s cannot be encrypted')
    else if (name === '' || name === '*')
      invalid(index, name, "resource name should be of the form 'resource' or 'resource.group'")
  }
  const overlaps = resources.some((each) => resources.some((other) => other !== each && masks(each, other)))
  if (overlaps) errors.push(`${path}.resources: Invalid value: ${JSON.stringify(resources)}: ${OVERLAP}`)
  if (providers.length === 0)
    errors.push(`${path}.providers: Required value: at least one ${path}.providers is required`)
  return [...errors, ...providers.flatMap((provider, index) => providerErrors(provider, `${path}.providers[${index}]`))]
}

function providerErrors(provider: EncryptionProvider, path: string): string[] {
  const present = Object.entries(provider).filter(([, value]) => value !== null && value !== undefined)
  const whole = JSON.stringify({
    AESGCM: provider.aesgcm ?? null,
    AESCBC: provider.aescbc ?? null,
    Secretbox: provider.secretbox ?? null,
    Identity: provider.identity ?? null,
    KMS: provider.kms ?? null,
  })
  if (present.length === 0) {
    const expected = 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity'
    return [`${path}: Invalid value: ${whole}: ${expected}`]
  }
  if (present.length > 1) {
    const rule = 'more than one provider specified in a single element, should split into different list elements'
    return [`${path}: Invalid value: ${whole}: ${rule}`]
  }
  const { aesgcm, aescbc, secretbox, kms } = provider
  if (aesgcm) return keyErrors(aesgcm.keys, `${path}.aesgcm.keys`, AES_BYTES)
  if (aescbc) return keyErrors(aescbc.keys, `${path}.aescbc.keys`, AES_BYTES)
  if (secretbox) return keyErrors(secretbox.keys, `${path}.secretbox.keys`, SECRETBOX_BYTES)
  return kms ? kmsErrors(kms, `${path}.kms`) : []
}

function keyErrors(
  keys: readonly EncryptionKey[] | null | undefined,
  path: string,
  lengths: readonly number[],
): string[] {
  if (!keys || keys.length === 0) return [`${path}: Required value: at least one ${path} is required`]
  return keys.flatMap(({ name, secret }, index) => {
    const errors: string[] = []
    if (!name) errors.push(`${path}[${index}].name: Required value: name is a mandatory field for a key`)
    if (!secret) return [...errors, `${path}[${index}].secret: Required value: secret is a mandatory field for a key`]
    const refused = refuseSecret(secret, lengths)
    if (refused !== undefined) errors.push(`${path}[${index}].secret: Invalid value: "REDACTED": ${refused}`)
    return errors
  })
}

function refuseSecret(secret: string, lengths: readonly number[]): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret.replaceAll(/[\r\n]/g, ''))) {
    return 'secrets must be base64 encoded'
  }
  const { length } = Buffer.from(secret, 'base64')
  return lengths.includes(length)
    ? undefined
    : `secret is not of the expected length, got ${length}, expected one of [${lengths.join(' ')}]`
}

function kmsErrors(kms: NonNullable<EncryptionProvider['kms']>, path: string): string[] {
  const errors: string[] = []
  const { name = '', endpoint = '' } = kms
  if (name === '') errors.push(`${path}.name: Required value: name is a mandatory field for a kms provider`)
  else if (name.includes(':'))
    errors.push(
      `${path}.name: Invalid value: ${goQuote(name)}: invalid KMS provider name ${name}, must not contain ':'`,
    )
  const invalid = (why: string): number => errors.push(`${path}.endpoint: Invalid value: ${goQuote(endpoint)}: ${why}`)
  const scheme = /^([^:/]*):\/\//.exec(endpoint)?.[1] ?? ''
  if (endpoint === '') invalid('endpoint is a mandatory field for a kms')
  else if (scheme !== 'unix') invalid(`unsupported scheme ${goQuote(scheme)} for KMS provider, only unix is supported`)
  return errors
}

/**
 * --encryption-provider-config: which provider writes which resource. apiserver.config.k8s.io/v1 EncryptionConfiguration;
 * apiserver/pkg/apis/apiserver/validation/validation_encryption.go; server/options/encryptionconfig/config.go.
 */
import { readFileSync } from 'node:fs'
import { parseDocument } from '../../../lib/settings/yaml.ts'
import { refuseEncryptionConfiguration } from './encryption-validation.ts'
import { identity, prefixTransformers } from './transformer.ts'
import type { PrefixedTransformer, Transformer } from './transformer.ts'
import { unknownMembers } from '../unknown-members.ts'

export interface EncryptionKey {
  name: string
  /** base64 */
  secret: string
}

export interface EncryptionProvider {
  aesgcm?: { keys: EncryptionKey[] }
  aescbc?: { keys: EncryptionKey[] }
  secretbox?: { keys: EncryptionKey[] }
  identity?: object
  kms?: { apiVersion?: string; name?: string; endpoint?: string; cachesize?: number; timeout?: string }
}

export interface ResourceEncryption {
  resources: string[]
  providers: EncryptionProvider[]
}

const API_VERSION = 'apiserver.config.k8s.io/v1'
const KNOWN_MEMBERS: Record<string, readonly string[]> = {
  '': ['apiVersion', 'kind', 'resources'],
  'resources[]': ['resources', 'providers'],
  'resources[].providers[]': ['aesgcm', 'aescbc', 'secretbox', 'identity', 'kms'],
  'resources[].providers[].kms': ['apiVersion', 'name', 'endpoint', 'cachesize', 'timeout'],
  ...Object.fromEntries(
    ['aesgcm', 'aescbc', 'secretbox'].flatMap((provider) => [
      [`resources[].providers[].${provider}`, ['keys']],
      [`resources[].providers[].${provider}.keys[]`, ['name', 'secret']],
    ]),
  ),
}

/** The file's rules. Throws with the text that follows `error while parsing file: `. */
export function readEncryptionConfiguration(path: string): ResourceEncryption[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    const why = `open ${path}: no such file or directory`
    throw new Error(`error while loading file: error reading encryption provider configuration file "${path}": ${why}`)
  }
  const undecodable = (why: string): Error =>
    new Error(`error decoding encryption provider configuration file "${path}": ${why}`)
  const document = parseDocument(text)
  const [broken] = document.errors
  if (broken) throw undecodable(`yaml: ${broken.message.split('\n')[0] ?? ''}`)
  const value = (document.toJS() ?? {}) as {
    apiVersion?: string
    kind?: string
    resources?: ResourceEncryption[] | null
  }
  if (value.apiVersion !== API_VERSION || value.kind !== 'EncryptionConfiguration') {
    const scheme = 'in scheme "pkg/runtime/scheme.go:111"'
    throw undecodable(`no kind "${value.kind ?? ''}" is registered for version "${value.apiVersion ?? ''}" ${scheme}`)
  }
  const unknown = unknownMembers(document.contents, KNOWN_MEMBERS)
  if (unknown.length > 0) throw undecodable(`strict decoding error: ${unknown.join(', ')}`)
  const rules = (value.resources ?? []).map(({ resources, providers }) => ({
    resources: resources ?? [],
    providers: providers ?? [],
  }))
  const refused = refuseEncryptionConfiguration(rules)
  if (refused !== undefined) throw new Error(refused)
  return rules
}

/** Finds a resource's transformer: `secrets`, or `leases.coordination.k8s.io`. */
export type TransformerOf = (resource: string, group: string) => Transformer

/** Without rules everything is stored as it is, and what a provider encrypted is refused. */
export async function transformersOf(rules: readonly ResourceEncryption[]): Promise<TransformerOf> {
  const built = await Promise.all(
    rules.map(async ({ resources, providers }) => ({ resources, transformer: await transformerOf(providers) })),
  )
  return (resource, group) => {
    const names = group === '' ? [resource, '*.', '*.*'] : [`${resource}.${group}`, `*.${group}`, '*.*']
    return built.find((rule) => names.some((name) => rule.resources.includes(name)))?.transformer ?? identity
  }
}

async function transformerOf(providers: readonly EncryptionProvider[]): Promise<Transformer> {
  return prefixTransformers(await Promise.all(providers.map(providerTransformer)))
}

// a provider's own code is loaded only where a configuration names it
async function providerTransformer(provider: EncryptionProvider): Promise<PrefixedTransformer> {
  const { aescbc, aesgcm, secretbox, kms } = provider
  if (aescbc) return keyed('k8s:enc:aescbc:v1:', 'AES', aescbc.keys, (await import('./aes.ts')).aesCbc)
  if (aesgcm) return keyed('k8s:enc:aesgcm:v1:', 'AES', aesgcm.keys, (await import('./aes.ts')).aesGcm)
  if (secretbox)
    return keyed('k8s:enc:secretbox:v1:', 'Secretbox', secretbox.keys, (await import('./secretbox.ts')).secretbox)
  if (kms)
    throw new Error(
      `[encryption_kms] provider ${kms.name ?? ''}: the simulation has no KMS plugin (use secretbox or aescbc)`,
    )
  return { prefix: '', transformer: identity }
}

function keyed(
  prefix: string,
  kind: string,
  keys: readonly EncryptionKey[],
  create: (key: Buffer) => Transformer,
): PrefixedTransformer {
  const members = keys.map(({ name, secret }) => ({
    prefix: `${name}:`,
    transformer: create(Buffer.from(secret, 'base64')),
  }))
  return {
    prefix,
    transformer: prefixTransformers(members, `no matching key was found for the provided ${kind} transformer`),
  }
}

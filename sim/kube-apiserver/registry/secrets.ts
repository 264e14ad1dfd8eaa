/** What is particular about Secrets and ConfigMaps: pkg/registry/core/{secret,configmap}, pkg/apis/core/validation. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest } from '../../../lib/kube/status.ts'
import type { FieldError } from '../../../lib/kube/status.ts'
import { goJsonError } from './go-json.ts'
import { forbidden, invalidValue, required, tooLong } from './field-errors.ts'
import { configKeyErrors } from './names.ts'
import type { Strategy } from './resource.ts'

const MOST_BYTES = 1024 * 1024
const IMMUTABLE = 'field is immutable when `immutable` is set'
const ACCOUNT_NAME = 'kubernetes.io/service-account.name'

type Data = Record<string, string>

function dataOf(object: KubeObject, member = 'data'): Data {
  return (object[member] as Data | undefined) ?? {}
}

export const secretStrategy: Strategy = {
  defaults(secret) {
    const { stringData, data, immutable, type, ...rest } = secret as KubeObject & { stringData?: Data; data?: Data }
    const encoded = Object.entries(stringData ?? {}).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
    const merged: Data = sorted({ ...checkedBase64(secret, data ?? {}), ...Object.fromEntries(encoded) })
    replaceMembers(secret, {
      ...rest,
      ...(immutable !== undefined && { immutable }),
      ...(Object.keys(merged).length > 0 && { data: merged }),
      type: type || 'Opaque',
    })
  },
  validate: (secret) => [...dataErrors(secret), ...typeErrors(secret)],
  validateUpdate(secret, old) {
    const errors: FieldError[] = []
    if (secret['type'] !== old['type']) errors.push(invalidValue('type', secret['type'], 'field is immutable'))
    return [...errors, ...immutableErrors(secret, old, ['data'])]
  },
  selectableFields: { type: (secret) => String(secret['type'] ?? '') },
}

export const configMapStrategy: Strategy = {
  defaults(map) {
    for (const member of ['data', 'binaryData']) {
      if (Object.keys(dataOf(map, member)).length > 0) map[member] = sorted(dataOf(map, member))
      else delete map[member]
    }
  },
  validate(map) {
    const entries = [...Object.entries(dataOf(map)), ...Object.entries(dataOf(map, 'binaryData'))]
    const errors = ['data', 'binaryData'].flatMap((member) => keyErrors(dataOf(map, member), member))
    const bytes = entries.reduce((sum, [, value]) => sum + Buffer.byteLength(String(value)), 0)
    return bytes > MOST_BYTES ? [...errors, tooLong('[]', MOST_BYTES)] : errors
  },
  validateUpdate: (map, old) => immutableErrors(map, old, ['data', 'binaryData']),
}

function immutableErrors(object: KubeObject, old: KubeObject, members: readonly string[]): FieldError[] {
  if (old['immutable'] !== true) return []
  const errors = object['immutable'] === true ? [] : [forbidden('immutable', IMMUTABLE)]
  const changed = members.filter((member) => !isDeepStrictEqual(dataOf(object, member), dataOf(old, member)))
  return [...errors, ...changed.map((member) => forbidden(member, IMMUTABLE))]
}

function keyErrors(data: Data, member: string): FieldError[] {
  return Object.keys(data).flatMap((key) =>
    configKeyErrors(key).map((why) => invalidValue(`${member}[${key}]`, key, why)),
  )
}

function dataErrors(secret: KubeObject): FieldError[] {
  const data = dataOf(secret)
  const bytes = Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), 0)
  const errors = keyErrors(data, 'data')
  return bytes > MOST_BYTES ? [...errors, tooLong('data', MOST_BYTES)] : errors
}

const REQUIRED_KEYS: Record<string, readonly string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
}

function typeErrors(secret: KubeObject): FieldError[] {
  const type = String(secret['type'])
  const data = dataOf(secret)
  if (type === 'kubernetes.io/service-account-token') {
    const named = secret.metadata.annotations?.[ACCOUNT_NAME]
    return named ? [] : [required(`metadata.annotations[${ACCOUNT_NAME}]`)]
  }
  const errors = (REQUIRED_KEYS[type] ?? []).filter((key) => !(key in data)).map((key) => required(`data[${key}]`))
  const json = ['.dockerconfigjson', '.dockercfg'].find((key) => REQUIRED_KEYS[type]?.includes(key) && key in data)
  const wrong = json && goJsonError(Buffer.from(data[json] ?? '', 'base64').toString())
  return wrong ? [...errors, invalidValue(`data[${json}]`, '<secret contents redacted>', wrong)] : errors
}

/** Values are bytes, so what is no base64 does not even decode. */
function checkedBase64(secret: KubeObject, data: Data): Data {
  for (const text of Object.values(data)) {
    const clean = text.replaceAll(/[\r\n]/g, '')
    const at =
      /[^A-Za-z0-9+/=]/.exec(clean)?.index ?? (clean.length % 4 === 0 ? undefined : clean.length - (clean.length % 4))
    if (at === undefined) continue
    throw badRequest(
      `${secret.kind} in version "v1" cannot be handled as a ${secret.kind}: illegal base64 data at input byte ${at}`,
    )
  }
  return data
}

function sorted(data: Data): Data {
  return Object.fromEntries(Object.entries(data).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function replaceMembers(object: KubeObject, members: Record<string, unknown>): void {
  for (const member of Object.keys(object)) delete object[member]
  Object.assign(object, members)
}

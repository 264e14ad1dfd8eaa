/**
 * --authorization-config: apiserver.config.k8s.io/v1 AuthorizationConfiguration, as far as its authorizers are simulated.
 * apiserver/pkg/apis/apiserver/validation/validation.go. Loaded only where such a file is given.
 */
import { parse } from '../../lib/settings/yaml.ts'
import { readText } from './credential-files.ts'
import { StartRefusal } from './options.ts'

const TYPES = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook']

interface Authorizer {
  type?: string
  name?: string
  webhook?: object
}

/** Types of the authorizers in their order. */
export function authorizersOf(path: string): string[] {
  const text = readText(path)
  let value: { authorizers?: Authorizer[] | null } | null
  try {
    value = parse(text) as typeof value
  } catch (error) {
    throw new StartRefusal(
      `failed to load AuthorizationConfiguration from file: ${(error as Error).message.split('\n')[0]}`,
    )
  }
  const authorizers = value?.authorizers ?? []
  if (authorizers.length === 0) {
    throw new StartRefusal('authorizers: Required value: at least one authorization mode must be defined')
  }
  const errors = authorizers.flatMap((authorizer, index) => errorsOf(authorizer, index, authorizers))
  if (errors.length > 0) throw new StartRefusal(errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`)
  return authorizers.map(({ type = '' }) => type)
}

function errorsOf({ type = '', webhook }: Authorizer, index: number, all: readonly Authorizer[]): string[] {
  const path = `authorizers[${index}]`
  if (!TYPES.includes(type)) {
    const supported = TYPES.map((each) => JSON.stringify(each)).join(', ')
    return [`${path}.type: Unsupported value: ${JSON.stringify(type)}: supported values: ${supported}`]
  }
  if (type === 'Webhook') return []
  if (all.slice(0, index).some((each) => each.type === type))
    return [`${path}.type: Duplicate value: ${JSON.stringify(type)}`]
  return webhook ? [`${path}.webhook: Invalid value: "non-null": may only be specified when type=Webhook`] : []
}

/** `--config-file`: flags as YAML, with those about TLS in two maps of their own (server/embed/config.go, configYAML). */
import { readFileSync } from 'node:fs'
import type { FlagTable } from '../../../lib/settings/table.ts'
import { FlagSet } from '../../../lib/settings/flag-set.ts'
import { parseFlagValue, type FlagValue } from '../../../lib/settings/flag-value.ts'

/** Keys of the two maps, and the flags that they stand for with and without `peer-` before. */
const SECURITY: Readonly<Record<string, readonly [client: string, peer: string]>> = {
  'cert-file': ['cert-file', 'peer-cert-file'],
  'key-file': ['key-file', 'peer-key-file'],
  'client-cert-file': ['client-cert-file', 'peer-client-cert-file'],
  'client-key-file': ['client-key-file', 'peer-client-key-file'],
  'client-cert-auth': ['client-cert-auth', 'peer-client-cert-auth'],
  'trusted-ca-file': ['trusted-ca-file', 'peer-trusted-ca-file'],
  'auto-tls': ['auto-tls', 'peer-auto-tls'],
  'allowed-cn': ['', 'peer-cert-allowed-cn'],
  'allowed-hostname': ['client-cert-allowed-hostname', 'peer-cert-allowed-hostname'],
  'skip-client-san-verification': ['', 'peer-skip-client-san-verification'],
}

/** A file that cannot be used: exit 1, `failed to verify flags`. */
export class ConfigFileError extends Error {}

/** All flags as the file gives them; nobody else's word counts then. Keys that are no flags are ignored, as in etcd. */
export async function flagsOfFile(path: string, table: FlagTable): Promise<FlagSet> {
  // Few members have such a file: the rest start without the parser.
  const { parse } = await import('../../../lib/settings/yaml.ts')
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new ConfigFileError(`open ${path}: no such file or directory`)
    throw new ConfigFileError(`error converting YAML to JSON: yaml: ${message.split('\n')[0]}`)
  }
  const given = new Map<string, FlagValue>()
  const flags = new Map(table.map((flag) => [flag.name, flag]))
  const take = (name: string, value: unknown): void => {
    const flag = flags.get(name)
    if (!flag || value === null || value === undefined) return
    given.set(name, valueOf(name, flag.type, value))
  }
  for (const [key, value] of entriesOf(content)) {
    const side = key === 'client-transport-security' ? 0 : key === 'peer-transport-security' ? 1 : undefined
    if (side === undefined) take(key, value)
    else for (const [name, each] of entriesOf(value)) take(SECURITY[name]?.[side] ?? '', each)
  }
  return new FlagSet(table, given)
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

function valueOf(name: string, type: string, value: unknown): FlagValue {
  const text = Array.isArray(value) ? value.map(String).join(',') : String(value)
  // Durations are nanoseconds there.
  if (type === 'duration' && typeof value === 'number') return value / 1e6
  const isFit = type === 'bool' ? typeof value === 'boolean' : type === 'string' || typeof value === 'number'
  try {
    if (isFit) return parseFlagValue(type, text)
  } catch {
    // It is refused in the words of JSON below.
  }
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  throw new ConfigFileError(
    `error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go struct field configYAML.${name} of type ${type}`,
  )
}

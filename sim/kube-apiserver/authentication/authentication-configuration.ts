/**
 * --authentication-config: apiserver.config.k8s.io AuthenticationConfiguration, its anonymous part. Apart from the rest because
 * reading YAML costs 50 ms of a start; only a server that was given such a file loads this.
 */
import { parse } from '../../../lib/settings/yaml.ts'
import type { AnonymousSettings } from './anonymous.ts'

interface AuthenticationConfiguration {
  anonymous?: { enabled?: boolean; conditions?: { path?: string }[] }
}

/** The anonymous part of an AuthenticationConfiguration, or undefined where the file leaves it to the flag. */
export function anonymousFromConfiguration(text: string): AnonymousSettings | undefined {
  const { anonymous } = (parse(text) as AuthenticationConfiguration | null) ?? {}
  if (!anonymous) return undefined
  const paths = anonymous.conditions?.map((condition) => condition.path ?? '')
  return paths && paths.length > 0
    ? { enabled: anonymous.enabled ?? false, paths }
    : { enabled: anonymous.enabled ?? false }
}

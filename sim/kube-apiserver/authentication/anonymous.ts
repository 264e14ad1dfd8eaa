/**
 * Who may come without a credential: --anonymous-auth, or the anonymous part of --authentication-config.
 * apiserver/pkg/authentication/request/anonymous, apiserver.config.k8s.io AuthenticationConfiguration.
 */
import { parse } from '../../../lib/settings/yaml.ts'

export interface AnonymousSettings {
  enabled: boolean
  /** Where it holds, exact paths; absent: everywhere. */
  paths?: string[]
}

/** AlwaysAllow takes anonymous away: everybody who came without a name could do everything. */
export function anonymousUnder(settings: AnonymousSettings, authorizationModes: readonly string[]): AnonymousSettings {
  return authorizationModes.includes('AlwaysAllow') ? { enabled: false } : settings
}

export function allowsAnonymous(settings: AnonymousSettings, path: string): boolean {
  return settings.enabled && (settings.paths?.includes(path) ?? true)
}

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

/**
 * Who may come without a credential: --anonymous-auth, or the anonymous part of --authentication-config
 * (authentication-configuration.ts). apiserver/pkg/authentication/request/anonymous.
 */
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

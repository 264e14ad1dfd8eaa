/** From flags to what the authenticators are told. */
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { certificatesFromPem } from '../../lib/x509/pem.ts'
import { anonymousUnder } from './authentication/anonymous.ts'
import type { AnonymousSettings } from './authentication/anonymous.ts'
import type { AuthenticationSettings } from './authentication/authenticator.ts'
import { CaBundle } from './authentication/client-certificate.ts'
import { readStaticTokens } from './authentication/static-tokens.ts'
import type { AuthorizationMode } from './authorization/authorizer.ts'
import { readText } from './credential-files.ts'
import { fileFlag, type Text } from './file-flag.ts'
import { StartRefusal } from './options.ts'
import type { TokenIssuer } from './registry/token-request.ts'

/** One CA for both would make every client certificate a front proxy. */
export function assertDistinctCas(flags: FlagSet, clientCa: Text | undefined, proxyCa: Text | undefined): void {
  if (!clientCa || !proxyCa || flags.list('requestheader-allowed-names').length > 0) return
  const known = new Set(certificatesFromPem(clientCa()).map((der) => der.toString('base64')))
  if (!certificatesFromPem(proxyCa()).some((der) => known.has(der.toString('base64')))) return
  const said = '--requestheader-client-ca-file and --client-ca-file contain overlapping certificates'
  throw new StartRefusal(
    `${said}; --requestheader-allowed-names must be specified to ensure regular client certificates cannot set authenticating proxy headers for arbitrary users`,
  )
}

interface AuthenticationFiles {
  clientCa: Text | undefined
  proxyCa: Text | undefined
  modes: readonly AuthorizationMode[]
  keysPem: readonly string[]
}

export async function authenticationOf(
  flags: FlagSet,
  { clientCa, proxyCa, modes, keysPem }: AuthenticationFiles,
): Promise<AuthenticationSettings> {
  const tokens = fileFlag(flags, 'token-auth-file', (path) => readStaticTokens(readText(path), path))
  const wanted = await anonymousOf(flags)
  const anonymous = anonymousUnder(wanted, modes.length === 0 ? ['AlwaysAllow'] : modes)
  if (wanted.enabled && !anonymous.enabled) {
    const reset = 'AnonymousAuth is not allowed with the AlwaysAllow authorizer. Resetting AnonymousAuth to false.'
    klog('W', 'authentication.go:589', `${reset} You should use a different authorizer`)
  }
  const issuers = flags.list('service-account-issuer')
  const audiences = flags.list('api-audiences')
  return {
    ...(clientCa && { clientCa: new CaBundle(clientCa) }),
    ...(proxyCa && {
      frontProxy: {
        ca: new CaBundle(proxyCa),
        allowedNames: flags.list('requestheader-allowed-names'),
        usernameHeaders: flags.list('requestheader-username-headers'),
        uidHeaders: flags.list('requestheader-uid-headers'),
        groupHeaders: flags.list('requestheader-group-headers'),
        extraHeaderPrefixes: flags.list('requestheader-extra-headers-prefix'),
      },
    }),
    ...(tokens && { staticTokens: tokens }),
    serviceAccounts: {
      issuers,
      keysPem,
      apiAudiences: audiences.length > 0 ? audiences : issuers,
      lookup: flags.bool('service-account-lookup'),
    },
    bootstrapTokens: flags.bool('enable-bootstrap-token-auth'),
    anonymous,
  }
}

async function anonymousOf(flags: FlagSet): Promise<AnonymousSettings> {
  const path = flags.string('authentication-config')
  const byFlag = { enabled: flags.bool('anonymous-auth') }
  if (path === '') return byFlag
  const before = `failed to load authentication configuration from file ${JSON.stringify(path)}: `
  const text = readText(path, before)
  if (text === '') throw new StartRefusal(`${before}empty config data`)
  const { anonymousFromConfiguration } = await import('./authentication/authentication-configuration.ts')
  try {
    const configured = anonymousFromConfiguration(text)
    if (configured && flags.isSet('anonymous-auth')) {
      const both =
        '--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file'
      throw new StartRefusal(both)
    }
    return configured ?? byFlag
  } catch (error) {
    if (error instanceof StartRefusal) throw error
    throw new StartRefusal(
      `${before}couldn't get version/kind; json parse error: ${(error as Error).message.split('\n')[0]}`,
    )
  }
}

export function issuerOf(flags: FlagSet, key: TokenIssuer['key']): TokenIssuer {
  const issuers = flags.list('service-account-issuer')
  const audiences = flags.list('api-audiences')
  return {
    key,
    issuer: issuers[0] ?? '',
    apiAudiences: audiences.length > 0 ? audiences : issuers,
    extends: flags.bool('service-account-extend-token-expiration'),
    longestMs: flags.durationMs('service-account-max-token-expiration'),
  }
}

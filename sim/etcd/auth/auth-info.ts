/** Who asks: by token, or by the common name of the client's certificate (server/etcdserver/v3_server.go). */
import { ERRORS } from '../errors.ts'
import type { Call } from '../grpc/call.ts'
import type { AuthStore } from './auth-store.ts'
import type { TokenProvider } from './token-provider.ts'

export interface AuthInfo {
  username: string
  /** Of the users and roles that it was made under; 0 for nobody. */
  revision: bigint
}

export interface AuthSources {
  auth: AuthStore
  tokens: TokenProvider
  /** `--client-cert-auth`: a CA file alone asks for certificates, but makes no users of them. */
  certificatesName: boolean
  /** Resolves once the member has applied the log that far. */
  applied: (index: bigint) => Promise<void>
}

/** Undefined where nobody has to be anybody, or nobody said who they are. @throws GrpcError Unauthenticated */
export async function authInfoOf(sources: AuthSources, call: Call | undefined): Promise<AuthInfo | undefined> {
  const { auth, tokens, certificatesName, applied } = sources
  if (!auth.enabled || !call) return undefined
  const given = call.metadata('token') ?? call.metadata('authorization')
  if (given !== undefined) {
    const info = await tokens.infoOf(given.replace(/^Bearer /, ''), { applied, revision: () => auth.revision })
    if (!info) throw ERRORS.invalidAuthToken()
    return info
  }
  const { commonName } = call.caller
  if (!certificatesName || commonName === undefined) return undefined
  // The gateway calls with the member's own certificate, which must name nobody; it says so where its client said
  // what it accepts (auth/store.go, AuthInfoFromTLS).
  if (call.metadata('grpcgateway-accept') !== undefined) return undefined
  return { username: commonName, revision: auth.revision }
}

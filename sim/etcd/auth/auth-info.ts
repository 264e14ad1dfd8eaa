/** Who asks: by token, or by the common name of the client's certificate (server/etcdserver/v3_server.go). */
import { ERRORS } from '../errors.ts'
import type { Call } from '../grpc/call.ts'
import type { AuthStore } from './auth-store.ts'
import { tokenIndex, type SimpleTokens } from './simple-tokens.ts'

export interface AuthInfo {
  username: string
  /** Of the users and roles that it was made under; 0 for nobody. */
  revision: bigint
}

export interface AuthSources {
  auth: AuthStore
  tokens: SimpleTokens
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
    const token = given.replace(/^Bearer /, '')
    const index = tokenIndex(token)
    if (index === undefined) throw ERRORS.invalidAuthToken()
    await applied(index)
    const username = tokens.userOf(token)
    if (username === undefined) throw ERRORS.invalidAuthToken()
    return { username, revision: auth.revision }
  }
  const { commonName } = call.caller
  if (!certificatesName || commonName === undefined) return undefined
  // The gateway calls with the member's own certificate, which must name nobody; it says so where its client said
  // what it accepts (auth/store.go, AuthInfoFromTLS).
  if (call.metadata('grpcgateway-accept') !== undefined) return undefined
  return { username: commonName, revision: auth.revision }
}

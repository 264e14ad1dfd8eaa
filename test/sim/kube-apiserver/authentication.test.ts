import { generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { parseJwt, signJwt, verifyJwt } from '../../../lib/kube/jwt.ts'
import type { User } from '../../../lib/kube/user.ts'
import { anonymousUnder } from '../../../sim/kube-apiserver/authentication/anonymous.ts'
import { anonymousFromConfiguration } from '../../../sim/kube-apiserver/authentication/authentication-configuration.ts'
import { Authenticator } from '../../../sim/kube-apiserver/authentication/authenticator.ts'
import type { AuthenticationSettings } from '../../../sim/kube-apiserver/authentication/authenticator.ts'
import { CaBundle } from '../../../sim/kube-apiserver/authentication/client-certificate.ts'
import { loopbackToken } from '../../../sim/kube-apiserver/authentication/loopback-token.ts'
import { readStaticTokens } from '../../../sim/kube-apiserver/authentication/static-tokens.ts'
import { EXCEPTIONS } from '../../fidelity/kube-apiserver/authn-exceptions.ts'
import { AuthnReplay } from '../../fidelity/kube-apiserver/authn-replay.ts'
import type { AuthnRow } from '../../fidelity/kube-apiserver/authn-replay.ts'
import { ISSUER, RecordedCredentials } from '../../fidelity/kube-apiserver/recorded-credentials.ts'
import { recorded, recordedWorld } from '../../fidelity/kube-apiserver/recorded-world.ts'

/** Every row is in the full run (test/fidelity); this is each fifth, and all of impersonation, whose texts depend on what went before. */
const SAMPLE = 5

t.test('a sample of the recorded answers', async (t) => {
  const replay = new AuthnReplay()
  let agree = 0
  for (const [at, row] of recorded<AuthnRow>('authn.json').entries()) {
    if ((at % SAMPLE !== 0 && !row.id.includes('-impersonate-')) || EXCEPTIONS[row.id] !== undefined) continue
    const difference = replay.replay(row)
    if (difference) t.equal(difference.got, difference.expected, row.id)
    else agree++
  }
  t.ok(agree > 300, `${agree} rows`)
})

const { objects } = recordedWorld()
const credentials = new RecordedCredentials(objects)

const settings: AuthenticationSettings = {
  clientCa: new CaBundle(() => credentials.pem('ca')),
  serviceAccounts: {
    issuers: [ISSUER],
    keysPem: [credentials.serviceAccountKeyPem],
    apiAudiences: [ISSUER],
    lookup: true,
  },
  bootstrapTokens: true,
  anonymous: { enabled: true },
}
const bearer = (name: string): [string, string][] => [['Authorization', `Bearer ${credentials.token(name)}`]]

t.test('a certificate is verified anew for each request', async (t) => {
  let pem: string | undefined = credentials.pem('ca')
  let now = new Date()
  const authenticator = new Authenticator({ ...settings, clientCa: new CaBundle(() => pem) }, objects, () => now)
  const ask = (): ReturnType<Authenticator['authenticate']> =>
    authenticator.authenticate({ peerChain: credentials.chain('alice'), headers: [], path: '/' })
  t.match(ask(), { user: { username: 'alice', groups: ['system:authenticated'] } })
  pem = credentials.pem('other-ca')
  t.match(ask(), {
    unauthorized: /^verifying certificate SN=\d+, SKID=, AKID= failed: x509: certificate signed by unknown authority$/,
  })
  pem = credentials.pem('ca')
  now = new Date(Date.now() + 7 * 86_400_000)
  t.match(ask(), { unauthorized: /x509: certificate has expired or is not yet valid/ })
  pem = undefined
  t.match(ask(), { user: { username: 'system:anonymous' } }, 'without a bundle a certificate says nothing')
})

t.test('a token that was good is good for ten seconds more, not longer', async (t) => {
  let nowMs = Date.now()
  const world = recordedWorld()
  const own = new RecordedCredentials(world.objects)
  const serviceAccounts = {
    issuers: [ISSUER],
    keysPem: [own.serviceAccountKeyPem],
    apiAudiences: [ISSUER],
    lookup: true,
  }
  const authenticator = new Authenticator({ ...settings, serviceAccounts }, world.objects, () => new Date(nowMs))
  const token = own.token('token:sa-app')
  const ask = (): ReturnType<Authenticator['authenticate']> =>
    authenticator.authenticate({ peerChain: [], headers: [['Authorization', `Bearer ${token}`]], path: '/' })
  t.match(ask(), { user: { username: 'system:serviceaccount:team-a:app' } })
  world.objects.delete('pods', 'team-a', 'web-1')
  nowMs += 9_000
  t.match(ask(), { user: { username: 'system:serviceaccount:team-a:app' } })
  nowMs += 2_000
  t.strictSame(ask(), { unauthorized: 'service account token has been invalidated' })
})

t.test('reviewToken() tells why, as TokenReview does', async (t) => {
  const authenticator = new Authenticator(settings, objects)
  const review = (name: string, audiences?: string[]): ReturnType<Authenticator['reviewToken']> =>
    authenticator.reviewToken(credentials.token(name), audiences)
  t.match(review('token:sa-app'), {
    user: { groups: ['system:serviceaccounts', 'system:serviceaccounts:team-a', 'system:authenticated'] },
    audiences: [ISSUER],
  })
  t.match(review('token:aud-vault', ['vault', 'other']), { audiences: ['vault'] })
  t.match(review('token:expired-in-leeway'), { audiences: [ISSUER] }, 'a minute is forgiven')
  t.match(review('token:bootstrap'), { user: { username: 'system:bootstrap:abcdef' }, audiences: [ISSUER] })
  for (const [name, error] of [
    ['token:garbage', 'invalid bearer token'],
    ['token:bootstrap-expired', 'invalid bearer token'],
    ['token:wrong-issuer', 'invalid bearer token'],
    ['token:expired', '[invalid bearer token, service account token has expired]'],
    ['token:expired-past-leeway', '[invalid bearer token, service account token has expired]'],
    ['token:not-yet-valid', '[invalid bearer token, service account token is not valid yet]'],
    ['token:issued-in-future', '[invalid bearer token, service account token is issued in the future]'],
    ['token:alg-none', '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]'],
    ['token:alg-hs256-pub', '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]'],
    ['token:alg-es256-other-key', '[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]'],
    ['token:wrong-kid', '[invalid bearer token, invalid signature, no keys found]'],
    ['token:deleted-sa', '[invalid bearer token, serviceaccounts "gone" not found]'],
    ['token:deleted-pod', '[invalid bearer token, service account token has been invalidated]'],
    ['token:no-kubernetes-claim', '[invalid bearer token, resource name may not be empty]'],
    ['token:legacy-no-secret', '[invalid bearer token, Token has been invalidated]'],
    ['token:legacy-other-token', "[invalid bearer token, Token does not match server's copy]"],
    [
      'token:aud-vault',
      `[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["${ISSUER}"]]`,
    ],
  ] as const) {
    t.strictSame(review(name), { error }, name)
  }
})

t.test(`the server's own token is system:masters from anywhere, and the first to turn others down`, async (t) => {
  const loopback = loopbackToken()
  const [own = ''] = loopback.keys()
  const authenticator = new Authenticator({ ...settings, loopback }, objects)
  const ask = (token: string): ReturnType<Authenticator['authenticate']> =>
    authenticator.authenticate({ peerChain: [], headers: [['Authorization', `Bearer ${token}`]], path: '/' })
  t.match(ask(own), { user: { username: 'system:apiserver', groups: ['system:masters'] } })
  t.strictSame(ask(`${own.slice(0, -1)}x`), { unauthorized: 'invalid bearer token' })
  t.strictSame(ask(credentials.token('token:expired')), {
    unauthorized: '[invalid bearer token, service account token has expired]',
  })
  t.match(authenticator.reviewToken(own), { user: { username: 'system:apiserver' }, audiences: [ISSUER] })
  t.strictSame(authenticator.reviewToken(own, ['vault']), { error: 'invalid bearer token' })
  const [another = ''] = loopbackToken().keys()
  t.not(another, own, 'each start has its own')
})

t.test('readStaticTokens()', async (t) => {
  const text = 't1,alice,u1,"devs,testers"\n,nobody,u2\nt2,bob,u3\nt2,carol,u4,ops\n'
  t.strictSame(
    [...readStaticTokens(text, 'f')],
    [
      ['t1', { username: 'alice', groups: ['devs', 'testers'], uid: 'u1' }],
      ['t2', { username: 'carol', groups: ['ops'], uid: 'u4' }],
    ],
  )
  t.throws(() => readStaticTokens('t,alice', '/x.csv'), { message: /must have at least 3 columns/ })
})

t.test('who may be anonymous', async (t) => {
  t.strictSame(anonymousFromConfiguration('anonymous: {enabled: true, conditions: [{path: /livez}]}'), {
    enabled: true,
    paths: ['/livez'],
  })
  t.strictSame(anonymousFromConfiguration('anonymous: {enabled: false}'), { enabled: false })
  t.equal(anonymousFromConfiguration('kind: AuthenticationConfiguration'), undefined)
  t.strictSame(anonymousUnder({ enabled: true }, ['RBAC', 'AlwaysAllow']), { enabled: false })
})

t.test('credentials that were refused never pass as anonymous', async (t) => {
  const authenticator = new Authenticator(settings, objects)
  const ask = (
    certificate: string | undefined,
    headers: [string, string][],
  ): ReturnType<Authenticator['authenticate']> =>
    authenticator.authenticate({
      peerChain: certificate === undefined ? [] : credentials.chain(certificate),
      headers,
      path: '/',
    })
  t.match(ask(undefined, []), { user: { username: 'system:anonymous' } })
  t.match(ask('expired', []), { unauthorized: /has expired/ })
  t.match(ask(undefined, bearer('token:garbage')), { unauthorized: 'invalid bearer token' })
  t.match(ask('expired', bearer('token:sa-app')), { user: { username: 'system:serviceaccount:team-a:app' } })
  t.match(ask('alice', bearer('token:garbage')), { user: { username: 'alice' } })
})

t.test('signJwt() and verifyJwt(): a key never vouches for another kind of signature', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const claims: Partial<User> = { username: 'x' }
  for (const [curve, alg] of [
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
  ] as const) {
    const ec = generateKeyPairSync('ec', { namedCurve: curve })
    const jwt = parseJwt(signJwt(claims, ec.privateKey))
    t.equal(jwt?.header.alg, alg)
    t.equal(jwt && verifyJwt(jwt, ec.publicKey), true)
    t.equal(jwt && verifyJwt(jwt, rsa.publicKey), false)
  }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [, payload] = signJwt(claims, rsa.privateKey).split('.')
  const signingInput = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.${payload}`
  const signature = sign('sha256', Buffer.from(signingInput), ec.privateKey).toString('base64url')
  const crossed = parseJwt(`${signingInput}.${signature}`)
  t.equal(crossed && verifyJwt(crossed, ec.publicKey), false, 'RS256 in the header, an ECDSA signature behind it')
  t.equal(parseJwt('a.b'), undefined)
  t.throws(() => signJwt(claims, rsa.privateKey, { alg: 'none' }), { message: /^\[jwt_algorithm\] none/ })
})

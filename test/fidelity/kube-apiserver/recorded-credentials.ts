/** The certificates and bearer tokens of credentials.json, made anew by their properties, for one world. */
import { createHmac, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { keyId, signJwt } from '../../../lib/kube/jwt.ts'
import type { User } from '../../../lib/kube/user.ts'
import { pemOf, writeCertificate } from './certificate-writer.ts'
import type { CertificateProperties, WrittenCertificate } from './certificate-writer.ts'
import type { MemoryObjects } from './memory-objects.ts'
import { recorded } from './recorded-world.ts'

export const ISSUER = 'https://kubernetes.default.svc.cluster.local'

/** Made once for all worlds of a process: an RSA key takes a tenth of a second and more. */
const SERVICE_ACCOUNT_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 })
const FOREIGN_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 })

interface CertificateRow extends CertificateProperties {
  kind: string
  name: string
  issuer: string
  sentAfterLeaf?: string[]
}

const CA_USAGE = { keyUsage: ['digitalSignature', 'keyCertSign'], basicConstraintsCA: true } as const

export class RecordedCredentials {
  readonly staticTokens: ReadonlyMap<string, User>
  readonly serviceAccountKeyPem: string
  readonly #authorities: Map<string, WrittenCertificate>
  readonly #chains = new Map<string, Buffer[]>()
  readonly #tokens: Map<string, string>

  constructor(objects: MemoryObjects) {
    this.#authorities = makeAuthorities()
    for (const row of recorded<CertificateRow>('credentials.json')) {
      if (row.kind === 'certificate') this.#chains.set(row.name, this.#chain(row))
    }
    this.serviceAccountKeyPem = SERVICE_ACCOUNT_KEY.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    this.#tokens = makeTokens(
      objects,
      SERVICE_ACCOUNT_KEY.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      this.serviceAccountKeyPem,
    )
    const found = (name: string): string => this.token(`token:static-${name}`)
    this.staticTokens = new Map<string, User>([
      [found('alice'), { username: 'static-alice', uid: 'uid-sa', groups: ['devs', 'testers'] }],
      [found('masters'), { username: 'static-root', uid: 'uid-root', groups: ['system:masters'] }],
      [found('plain'), { username: 'static-plain', uid: 'uid-plain', groups: [] }],
    ])
  }

  /** DER, leaf first, as the client sends it. */
  chain(name: string): readonly Buffer[] {
    const chain = this.#chains.get(name)
    if (!chain) throw new Error(`[credential_unknown] ${name}: no such certificate`)
    return chain
  }

  token(name: string): string {
    const token = this.#tokens.get(name)
    if (token === undefined) throw new Error(`[credential_unknown] ${name}: no such token`)
    return token
  }

  /** A CA, or a leaf that serves as one. */
  pem(name: string): string {
    const der = this.#authorities.get(name)?.der ?? this.chain(name)[0]
    return pemOf(der ?? Buffer.alloc(0))
  }

  #chain(row: CertificateRow): Buffer[] {
    const authority = this.#authorities.get(row.issuer)
    const leaf =
      row.name === 'cluster-ca-itself'
        ? authority
        : writeCertificate(row, row.issuer === 'self' ? undefined : authority)
    const others = (row.sentAfterLeaf ?? []).map((name) => this.#authorities.get(name))
    return [leaf, ...others].map((each) => each?.der ?? Buffer.alloc(0))
  }
}

function root(commonName: string): WrittenCertificate {
  return writeCertificate({ subject: [['CN', commonName]], ...CA_USAGE })
}

function makeAuthorities(): Map<string, WrittenCertificate> {
  const ca = root('kubernetes')
  const below = (commonName: string, more: Partial<CertificateProperties> = {}, issuer = ca): WrittenCertificate =>
    writeCertificate({ subject: [['CN', commonName]], ...CA_USAGE, ...more }, issuer)
  const pathLength0 = below('team-ca-pathlen-0', { pathLength: 0 })
  const leaf: CertificateProperties = {
    subject: [['CN', 'leaf-as-ca']],
    extendedKeyUsage: ['clientAuth'],
    keyUsage: ['digitalSignature'],
  }
  return new Map([
    ['ca', ca],
    ['front-proxy-ca', root('front-proxy-ca')],
    ['etcd-ca', root('etcd-ca')],
    ['other-ca', root('other-ca')],
    ['lookalike-ca', root('kubernetes')],
    ['team-ca', below('team-ca')],
    ['team-ca-server-eku', below('team-ca-server-eku', { extendedKeyUsage: ['serverAuth'] })],
    ['team-ca-client-eku', below('team-ca-client-eku', { extendedKeyUsage: ['clientAuth'] })],
    ['team-ca-expired', below('team-ca-expired', { notBeforeSecondsFromNow: -7200, notAfterSecondsFromNow: -3600 })],
    ['team-ca-name-constrained', below('team-ca-name-constrained', { permittedDnsSuffix: 'team.example.com' })],
    ['team-ca-pathlen-0', pathLength0],
    ['team-ca-below-pathlen-0', below('team-ca-below-pathlen-0', {}, pathLength0)],
    ['leaf-as-ca', writeCertificate(leaf, ca)],
  ])
}

function makeTokens(objects: MemoryObjects, key: string, publicPem: string): Map<string, string> {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const uid = (resource: string, namespace: string, name: string): string =>
    objects.get(resource, namespace, name)?.metadata.uid ?? ''
  const account = (namespace: string, name: string): object => ({
    namespace,
    serviceaccount: { name, uid: uid('serviceaccounts', namespace, name) },
  })
  const app = account('team-a', 'app')
  const pod = { name: 'web-1', uid: uid('pods', 'team-a', 'web-1') }
  const node = (name: string): object => ({ name, uid: uid('nodes', '', name) })
  const claims = (kubernetes: object | undefined, more: object = {}): object => ({
    iss: ISSUER,
    sub: 'system:serviceaccount:team-a:app',
    aud: [ISSUER],
    iat: nowSeconds - 10,
    nbf: nowSeconds - 10,
    exp: nowSeconds + 3600,
    jti: randomUUID(),
    ...(kubernetes && { 'kubernetes.io': kubernetes }),
    ...more,
  })
  const signed = (
    kubernetes: object | undefined,
    more: object = {},
    header: { alg?: string; kid?: string | undefined } = {},
  ): string => signJwt(claims(kubernetes, more), key, header)
  const bound = (more: object): string => signed({ ...app, ...more })
  const foreignEc = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const kid = keyId(createPublicKey(publicPem))
  const good = bound({ pod, node: node('worker-1') })
  const legacy = (secret: string): string =>
    signJwt(
      {
        iss: 'kubernetes/serviceaccount',
        sub: 'system:serviceaccount:team-a:app',
        'kubernetes.io/serviceaccount/namespace': 'team-a',
        'kubernetes.io/serviceaccount/secret.name': secret,
        'kubernetes.io/serviceaccount/service-account.name': 'app',
        'kubernetes.io/serviceaccount/service-account.uid': uid('serviceaccounts', 'team-a', 'app'),
      },
      key,
    )
  const stored = legacy('app-legacy-token')
  const secret = objects.get('secrets', 'team-a', 'app-legacy-token')
  if (secret) secret['data'] = { token: Buffer.from(stored).toString('base64') }
  const nowhere = randomUUID()
  return new Map([
    ['token:sa-app', good],
    ['token:sa-app-unbound', signed(app)],
    ['token:sa-default', signed(account('team-a', 'default'))],
    ['token:sa-kube-system-default', signed(account('kube-system', 'default'))],
    ['token:sa-monitoring', signed(account('kube-system', 'monitoring'))],
    ['token:expired', signed(app, { exp: nowSeconds - 3600 })],
    ['token:expired-in-leeway', signed(app, { exp: nowSeconds - 30 })],
    ['token:expired-past-leeway', signed(app, { exp: nowSeconds - 70 })],
    ['token:not-yet-valid', signed(app, { nbf: nowSeconds + 3600, exp: nowSeconds + 7200 })],
    ['token:issued-in-future', signed(app, { iat: nowSeconds + 3600, exp: nowSeconds + 7200 })],
    ['token:no-exp', signed(app, { exp: undefined })],
    ['token:aud-vault', signed(app, { aud: ['vault'] })],
    ['token:aud-vault-and-api', signed(app, { aud: ['vault', ISSUER] })],
    ['token:aud-none', signed(app, { aud: undefined })],
    ['token:wrong-issuer', signed(app, { iss: 'https://evil.example.com' })],
    ['token:alg-none', `${encode({ alg: 'none' })}.${encode(claims(app))}.`],
    ['token:alg-hs256-pub', hmacToken(claims(app), publicPem)],
    ['token:alg-ps256', signed(app, {}, { alg: 'PS256' })],
    ['token:no-kid', signed(app, {}, { kid: undefined })],
    ['token:wrong-kid', signed(app, {}, { kid: 'nobody' })],
    ['token:other-key', signJwt(claims(app), FOREIGN_KEY.privateKey, { kid })],
    ['token:alg-es256-other-key', signJwt(claims(app), foreignEc, { kid })],
    ['token:no-signature', good.slice(0, good.lastIndexOf('.') + 1)],
    ['token:wrong-sa-uid', signed({ namespace: 'team-a', serviceaccount: { name: 'app', uid: nowhere } })],
    ['token:no-sa-uid', signed({ namespace: 'team-a', serviceaccount: { name: 'app' } })],
    ['token:wrong-pod-uid', bound({ pod: { name: 'web-1', uid: nowhere } })],
    ['token:missing-pod', bound({ pod: { name: 'never', uid: nowhere } })],
    ['token:deleted-pod', bound({ pod: { name: 'gone', uid: nowhere } })],
    ['token:pod-other-node', bound({ pod, node: node('worker-2') })],
    ['token:node-bound', bound({ node: node('worker-1') })],
    ['token:node-bound-missing', bound({ node: { name: 'never', uid: nowhere } })],
    ['token:node-bound-wrong-uid', bound({ node: { name: 'worker-1', uid: nowhere } })],
    ['token:secret-bound', bound({ secret: { name: 'shared', uid: uid('secrets', 'team-a', 'shared') } })],
    ['token:secret-bound-missing', bound({ secret: { name: 'never', uid: nowhere } })],
    ['token:sub-mismatch', signed(app, { sub: 'system:serviceaccount:kube-system:default' })],
    ['token:no-kubernetes-claim', signed(undefined)],
    ['token:deleted-sa', signed({ namespace: 'team-a', serviceaccount: { name: 'gone', uid: nowhere } })],
    ['token:recreated-sa', signed({ namespace: 'team-a', serviceaccount: { name: 'builder', uid: nowhere } })],
    ['token:legacy', stored],
    ['token:legacy-no-secret', legacy('never')],
    ['token:legacy-other-token', signJwt({ ...claimsOf(stored), extra: 1 }, key)],
    ['token:garbage', 'garbage'],
    ['token:garbage-jwt', 'a.b.c'],
    ['token:long-garbage', 'x'.repeat(8000)],
    ['token:truncated', good.slice(0, -10)],
    ['token:bootstrap', 'abcdef.0123456789abcdef'],
    ['token:bootstrap-wrong-secret', 'abcdef.fedcba9876543210'],
    ['token:bootstrap-expired', 'expire.0123456789abcdef'],
    ['token:bootstrap-usage-absent', 'nousag.0123456789abcdef'],
    ['token:bootstrap-bad-group', 'badgrp.0123456789abcdef'],
    ['token:bootstrap-no-expiration', 'noexpr.0123456789abcdef'],
    ['token:bootstrap-two-groups', 'twogrp.0123456789abcdef'],
    ['token:bootstrap-short', 'abcdef.0123'],
    ['token:static-alice', 'alice-secret-token'],
    ['token:static-masters', 'root-secret-token'],
    ['token:static-plain', 'plain-secret-token'],
  ])
}

function claimsOf(token: string): object {
  const claims: object = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  return claims
}

/** HS256 keyed with the text of a public key: the confusion of RFC 8725 section 2.1. */
function hmacToken(claims: object, publicPem: string): string {
  const signingInput = `${encode({ alg: 'HS256' })}.${encode(claims)}`
  return `${signingInput}.${createHmac('sha256', publicPem).update(signingInput).digest('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

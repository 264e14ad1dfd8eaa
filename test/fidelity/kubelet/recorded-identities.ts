/** Whoever asks in the recorded answers: certificates and tokens by their properties, and the rights they hold on nodes. */
import { randomBytes } from 'node:crypto'
import {
  pemOf,
  writeCertificate,
  type CertificateProperties,
  type WrittenCertificate,
} from '../kube-apiserver/certificate-writer.ts'
import type { Review } from '../../sim/kubelet/kubelet-world.ts'

const MASTERS: CertificateProperties['subject'] = [
  ['O', 'system:masters'],
  ['CN', 'kubernetes-super-admin'],
]
const DAY_SECONDS = 86_400

type Identity = Partial<CertificateProperties> & {
  by?: 'cluster' | 'other' | 'same-name' | 'etcd' | 'front-proxy' | 'itself'
}

const named = (commonName: string, organization?: string): Identity => ({
  subject: [...(organization === undefined ? [] : [['O', organization] as const]), ['CN', commonName]],
})
const masters = (deviation: Identity): Identity => ({ subject: MASTERS, ...deviation })

const IDENTITIES: Readonly<Record<string, Identity>> = {
  'apiserver-kubelet-client': named('kube-apiserver-kubelet-client', 'kubeadm:cluster-admins'),
  'apiserver-kubelet-client-masters': named('kube-apiserver-kubelet-client', 'system:masters'),
  admin: named('kubernetes-admin', 'kubeadm:cluster-admins'),
  'super-admin': masters({}),
  'worker-1': named('system:node:worker-1', 'system:nodes'),
  'worker-2': named('system:node:worker-2', 'system:nodes'),
  scheduler: named('system:kube-scheduler'),
  'controller-manager': named('system:kube-controller-manager'),
  expired: masters({ notBeforeSecondsFromNow: -2 * DAY_SECONDS, notAfterSecondsFromNow: -DAY_SECONDS }),
  'not-yet-valid': masters({ notBeforeSecondsFromNow: DAY_SECONDS, notAfterSecondsFromNow: 2 * DAY_SECONDS }),
  'wrong-ca': masters({ by: 'other' }),
  'same-name-ca': masters({ by: 'same-name' }),
  'etcd-ca': masters({ by: 'etcd' }),
  'front-proxy': { ...named('front-proxy-client'), by: 'front-proxy' },
  'server-auth-only': masters({ extendedKeyUsage: ['serverAuth'] }),
  'no-eku': masters({ extendedKeyUsage: [] }),
  'any-eku': masters({ extendedKeyUsage: ['any'] }),
  'both-eku': masters({ extendedKeyUsage: ['serverAuth', 'clientAuth'] }),
  'code-signing': masters({ extendedKeyUsage: ['codeSigning'] }),
  'self-signed': masters({ by: 'itself' }),
  'no-cn': { subject: [['O', 'system:masters']] },
  'apiserver-serving': { ...named('kube-apiserver'), extendedKeyUsage: ['serverAuth'] },
  monitoring: named('prometheus', 'system:monitoring'),
}

/** Everybody else is a name without a group. */
export class RecordedIdentities {
  readonly #authorities = new Map<string, WrittenCertificate>()
  readonly #certificates = new Map<string, { clientCertificateData: string; clientKeyData: string }>()
  readonly tokens: Readonly<Record<string, string>> = Object.fromEntries(
    Object.keys(TOKENS).map((name) => [name, name === 'empty' ? '' : `${name}-${randomBytes(6).toString('hex')}`]),
  )

  constructor() {
    for (const by of ['cluster', 'other', 'same-name', 'etcd', 'front-proxy']) {
      const commonName = by === 'cluster' || by === 'same-name' ? 'kubernetes' : by
      const ca = { subject: [['CN', commonName]] as const, basicConstraintsCA: true, keyUsage: ['keyCertSign'] }
      this.#authorities.set(by, writeCertificate(ca))
    }
  }

  /** PEM of what the kubelet trusts. */
  get clientCa(): string {
    return pemOf(this.#authorities.get('cluster')!.der)
  }

  certificate(name: string): { clientCertificateData: string; clientKeyData: string } {
    const known = this.#certificates.get(name)
    if (known) return known
    const { by = 'cluster', ...properties } = IDENTITIES[name] ?? named(name)
    const whole = { subject: MASTERS, extendedKeyUsage: ['clientAuth'], ...properties }
    const written = writeCertificate(whole, this.#authorities.get(by))
    const made = {
      clientCertificateData: pemOf(written.der),
      clientKeyData: written.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
    this.#certificates.set(name, made)
    return made
  }

  /** What TokenReview says of each good token. */
  get users(): Map<string, { username: string; groups: string[] }> {
    const good = Object.entries(TOKENS).flatMap(([name, user]) => (user ? [[this.tokens[name]!, user] as const] : []))
    return new Map(good)
  }
}

const serviceAccount = (name: string): { username: string; groups: string[] } => ({
  username: `system:serviceaccount:default:${name}`,
  groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
})
const TOKENS: Readonly<Record<string, { username: string; groups: string[] } | undefined>> = {
  garbage: undefined,
  empty: undefined,
  'sa-plain': serviceAccount('plain'),
  'sa-privileged': serviceAccount('privileged'),
  'sa-other-audience': undefined,
  'sa-gone': undefined,
  'sa-expired': undefined,
  'sa-forged': undefined,
  'sa-wrong-issuer': undefined,
  'sa-alg-none': undefined,
  bootstrap: {
    username: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
  },
  'bootstrap-wrong-secret': undefined,
}

const READER = ['metrics', 'stats', 'log', 'pods', 'healthz', 'configz', 'statusz']

/** The RBAC of the recording, as far as nodes go. */
export function mayReview({ user, groups, resourceAttributes }: Review): boolean {
  const { verb, subresource = '' } = resourceAttributes
  if (groups.includes('system:masters') || groups.includes('kubeadm:cluster-admins')) return true
  if (user === 'system:serviceaccount:default:privileged') return true
  if (user === 'proxy-get') return subresource === 'proxy' && verb === 'get'
  if (user === 'proxy-create') return subresource === 'proxy' && verb === 'create'
  if (user === 'proxy-all') return subresource === 'proxy'
  if (user === 'reader') return verb === 'get' && READER.includes(subresource)
  const only = /^only-(\w+)$/.exec(user)?.[1]
  return only !== undefined && subresource === only
}

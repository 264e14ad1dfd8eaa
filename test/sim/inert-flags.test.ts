/**
 * The five flag tables keep their word: a flag that decides who is let in, or what is seen on the way, is either honoured
 * or named here with the reason; and what is called honoured is read by the component.
 */
import t from 'tap'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { packageRoot } from '../../lib/settings/package-root.ts'
import type { FlagTable } from '../../lib/settings/table.ts'
import { FLAGS as etcd } from '../../sim/etcd/flags.ts'
import { FLAGS as kubeApiserver } from '../../sim/kube-apiserver/flags.ts'
import { FLAGS as kubeControllerManager } from '../../sim/kube-controller-manager/flags.ts'
import { FLAGS as kubeScheduler } from '../../sim/kube-scheduler/flags.ts'
import { FLAGS as kubelet } from '../../sim/kubelet/flags.ts'

const TABLES: Readonly<Record<string, FlagTable>> = {
  etcd,
  'kube-apiserver': kubeApiserver,
  kubelet,
  'kube-scheduler': kubeScheduler,
  'kube-controller-manager': kubeControllerManager,
}

/** TLS, authentication, authorization, admission, encryption, listening. */
const SUBJECTS = [
  /tls|cert|crl|cipher|curve|(^|-)ca(-|$)|cafile|key-file|strict-transport/,
  /auth|token|oidc|requestheader|anonymous|kubeconfig|service-account|signing|allowed-(cn|hostname)|impersonat/,
  /admission|encrypt|host-whitelist|^cors$/,
  /(^|-)listen|bind-|-address$|^address$|(^|-)port$|secure/,
]

const LATER = 'what it turns on is not in the range'
const OTHER = 'it has one of the words in its name and is about something else'
const SOCKETS = 'the sockets of a range are never shared with another process'
const AGGREGATION = 'aggregated API servers are not in the range: nobody is dialled with it'
const FRONT_PROXY =
  'headers of a front proxy are believed by kube-apiserver alone: here they are ignored, as without the flag'
const OWN_FILES = 'a component makes no certificates of its own but in memory'

const HEADERS = [
  'allowed-names',
  'client-ca-file',
  'extra-headers-prefix',
  'group-headers',
  'uid-headers',
  'username-headers',
]

/** The only inert flags about those subjects, by reason. */
const INERT: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  etcd: {
    'one member dials no peer': ['peer-client-cert-file', 'peer-client-key-file'],
    'a member reads its peers from flags': [
      ...['discovery-cacert', 'discovery-cert', 'discovery-insecure-skip-tls-verify', 'discovery-insecure-transport'],
    ],
    [OTHER]: ['distributed-tracing-address', 'experimental-distributed-tracing-address'],
    [SOCKETS]: ['socket-reuse-address', 'socket-reuse-port'],
  },
  'kube-apiserver': {
    'the real one has --enable-admission-plugins in its place, and takes no two of them': ['admission-control'],
    'a token that only a webhook knows is refused': [
      'authentication-token-webhook-cache-ttl',
      'authentication-token-webhook-config-file',
      'authentication-token-webhook-version',
    ],
    'the modes that they belong to end the start': [
      'authorization-policy-file',
      'authorization-webhook-cache-authorized-ttl',
      'authorization-webhook-cache-unauthorized-ttl',
      'authorization-webhook-config-file',
      'authorization-webhook-version',
    ],
    'the file is read once, as without the flag': ['encryption-provider-config-automatic-reload'],
    'the real one ignores it as well: nodes say their ports': ['kubelet-port', 'kubelet-read-only-port'],
    [OTHER]: ['kubernetes-service-node-port'],
    'no identity provider is in the range: a token of one is refused': [
      ...['oidc-ca-file', 'oidc-client-id', 'oidc-groups-claim', 'oidc-groups-prefix', 'oidc-issuer-url'],
      ...['oidc-required-claim', 'oidc-signing-algs', 'oidc-username-claim', 'oidc-username-prefix'],
    ],
    'one server has no peers': ['peer-advertise-port', 'peer-ca-file'],
    [AGGREGATION]: ['proxy-client-cert-file', 'proxy-client-key-file'],
    [LATER]: [
      ...['service-account-jwks-uri', 'service-account-signing-endpoint', 'strict-transport-security-directives'],
      'enable-kubelet-cert-cn-validation',
    ],
  },
  kubelet: {
    [OTHER]: ['allowed-unsafe-sysctls', 'storage-driver-secure'],
  },
  'kube-scheduler': {
    'the lookup that may fail is that for front proxies': ['authentication-tolerate-lookup-failure'],
    [FRONT_PROXY]: HEADERS.map((name) => `requestheader-${name}`),
    [OWN_FILES]: ['cert-dir'],
    [LATER]: ['tls-curve-preferences', 'tls-sni-cert-key'],
  },
  'kube-controller-manager': {
    'the lookup that may fail is that for front proxies': ['authentication-tolerate-lookup-failure'],
    [FRONT_PROXY]: HEADERS.map((name) => `requestheader-${name}`),
    [OWN_FILES]: ['cert-dir'],
    'tokens are signed by kube-apiserver; no Secret holds one': [
      ...['concurrent-serviceaccount-token-syncs', 'legacy-service-account-token-clean-up-period'],
      'service-account-private-key-file',
    ],
    [OTHER]: ['concurrent-validating-admission-policy-status-syncs'],
    [LATER]: ['tls-curve-preferences', 'tls-sni-cert-key'],
  },
}

for (const [component, table] of Object.entries(TABLES)) {
  t.test(component, async (t) => {
    const inert = table.filter(({ effect }) => effect === 'inert').map(({ name }) => name)
    const delicate = inert.filter((name) => SUBJECTS.some((subject) => subject.test(name)))
    const excused = Object.values(INERT[component] ?? {}).flat()
    t.strictSame(delicate.sort(), excused.sort(), 'no flag about security is inert but those with a reason')
    t.strictSame(
      table.filter(({ effect, reason }) => effect !== 'honoured' && !reason).map(({ name }) => name),
      [],
      'what has no effect says why',
    )

    const source = sourceOf(`sim/${component}/main.ts`)
    const endings = [...source.matchAll(/`\$\{\w+\}([a-z][a-z-]+)`/g)].map((match) => match[1]!)
    const isRead = (name: string): boolean =>
      source.includes(`'${name}'`) || endings.some((ending) => name.endsWith(ending))
    const honoured = table.filter(({ effect }) => effect === 'honoured').map(({ name }) => name)
    t.strictSame(
      honoured.filter((name) => !isRead(name)),
      [],
      'what is honoured is read',
    )
    t.comment(`${honoured.length} honoured, ${inert.length} inert, ${delicate.length} of them about security`)
  })
}

/** The text of a file and of all that it imports, but for the flag tables and what parses them. */
function sourceOf(main: string): string {
  const root = packageRoot()
  const texts = new Map<string, string>()
  const visit = (file: string): void => {
    if (texts.has(file) || file.endsWith('/flags.ts') || file.startsWith('lib/settings/')) return
    if (!existsSync(join(root, file))) return
    const text = readFileSync(join(root, file), 'utf8')
    texts.set(file, text)
    for (const [, to] of text.matchAll(/(?:from|import|import\()\s*'(\.[^']+)'/g)) visit(join(dirname(file), to!))
  }
  visit(main)
  return [...texts.values()].join('\n')
}

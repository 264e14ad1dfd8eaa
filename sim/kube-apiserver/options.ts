/** Flags to settings, and what the real server says of flags that do not go together (cmd/kube-apiserver/app/options). */
import { isIP } from 'node:net'
import { klog } from '../../lib/kube/klog.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'
import { unknownPlugins } from './admission/admission.ts'
import { AUTHORIZATION_MODES } from './authorization/authorizer.ts'
import type { AuthorizationMode } from './authorization/authorizer.ts'

/** The real server's text behind `"command failed" err=`, and our one line after it where there is something to add. */
export class StartRefusal extends Error {
  override readonly name = 'StartRefusal'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

const KNOWN_MODES = ['AlwaysAllow', 'AlwaysDeny', 'ABAC', 'Webhook', 'RBAC', 'Node']
const HOUR_MS = 3_600_000
const LONGEST_TOKEN_MS = 2 ** 32 * 1000
const OIDC_FLAGS = [
  'oidc-ca-file',
  'oidc-client-id',
  'oidc-groups-claim',
  'oidc-groups-prefix',
  'oidc-issuer-url',
  'oidc-required-claim',
  'oidc-signing-algs',
  'oidc-username-claim',
  'oidc-username-prefix',
]
const AUTHORIZATION_WEBHOOK_FLAGS = [
  'authorization-webhook-config-file',
  'authorization-webhook-version',
  'authorization-webhook-cache-authorized-ttl',
  'authorization-webhook-cache-unauthorized-ttl',
]

/** Throws what the real server says of the flags alone, before it reads a file; several complaints as `[a, b]`. */
export function assertOptions(flags: FlagSet): void {
  const format = flags.string('logging-format')
  if (format !== 'text' && format !== 'json') {
    throw new StartRefusal(`format: Invalid value: ${JSON.stringify(format)}: Unsupported log format`)
  }
  const errors = [
    ...etcdErrors(flags),
    ...limitErrors(flags),
    ...portErrors(flags),
    ...authenticationErrors(flags),
    ...authorizationErrors(flags),
    ...admissionErrors(flags),
    ...serviceErrors(flags),
    ...auditErrors(flags),
  ]
  if (errors.length > 0) throw new StartRefusal(errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`)
}

function etcdErrors(flags: FlagSet): string[] {
  const errors: string[] = []
  if (flags.list('etcd-servers').length === 0) errors.push('--etcd-servers must be specified')
  if (flags.bool('encryption-provider-config-automatic-reload') && flags.string('encryption-provider-config') === '') {
    errors.push('--encryption-provider-config-automatic-reload must be set with --encryption-provider-config')
  }
  return errors
}

function limitErrors(flags: FlagSet): string[] {
  const negative = ['max-requests-inflight', 'max-mutating-requests-inflight', 'request-timeout', 'min-request-timeout']
    .filter((name) => flags.number(name) < 0)
    .map((name) => `--${name} can not be negative value`)
  const chance = flags.number('goaway-chance')
  if (chance < 0 || chance > 0.02) negative.push('--goaway-chance can not be less than 0 or greater than 0.02')
  return negative
}

function portErrors(flags: FlagSet): string[] {
  const port = flags.number('secure-port')
  if (port >= 1 && port <= 65_535) return []
  return [`--secure-port ${port} must be between 1 and 65535, inclusive. It cannot be turned off with 0`]
}

/** What an aggregated API server would be sent. */
const STANDARD_HEADERS: Readonly<Record<string, string>> = {
  'requestheader-username-headers': 'X-Remote-User',
  'requestheader-group-headers': 'X-Remote-Group',
  'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
}

function authenticationErrors(flags: FlagSet): string[] {
  const errors: string[] = []
  const oidc = OIDC_FLAGS.some((name) => flags.isSet(name))
  if (flags.string('authentication-config') !== '' && oidc) {
    errors.push('authentication-config file and oidc-* flags are mutually exclusive')
  } else if (oidc && (flags.string('oidc-issuer-url') === '') !== (flags.string('oidc-client-id') === '')) {
    errors.push('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set')
  }
  const uids = flags.list('requestheader-uid-headers')
  if (uids.length > 0 && !uids.some((name) => name.toLowerCase() === 'x-remote-uid')) {
    const lacks = '--requestheader-uid-headers is set without specifying the standard X-Remote-Uid header'
    errors.push(`${lacks} - API aggregation will not work`)
  }
  for (const name of ['username-headers', 'uid-headers', 'group-headers', 'extra-headers-prefix']) {
    const empty = flags.list(`requestheader-${name}`).some((value) => value.trim() === '')
    if (empty) errors.push(`empty value in "requestheader-${name}"`)
  }
  for (const [name, standard] of Object.entries(STANDARD_HEADERS)) {
    const said = flags.list(name).map((each) => each.toLowerCase())
    if (said.length === 0 || said.includes(standard.toLowerCase())) continue
    const what = name.endsWith('prefix') ? 'header prefix' : 'header'
    const lacks = `--${name} is set without specifying the standard ${standard} ${what}`
    klog('W', 'authentication.go:420', `${lacks} - API aggregation will not work`)
  }
  return [...errors, ...tokenErrors(flags)]
}

function tokenErrors(flags: FlagSet): string[] {
  const errors: string[] = []
  const issuers = flags.list('service-account-issuer')
  const signing = flags.string('service-account-signing-key-file')
  if (flags.list('service-account-key-file').length === 0 && flags.string('service-account-signing-endpoint') === '') {
    errors.push('either `--service-account-key-file` or `--service-account-signing-endpoint` must be set')
  }
  if (issuers.length === 0 || issuers.some((issuer) => issuer === '')) {
    errors.push('service-account-issuer is a required flag, which can be set to a non-empty value')
  }
  if (signing === '' && flags.string('service-account-signing-endpoint') === '') {
    errors.push(
      '--service-account-signing-key-file, --service-account-issuer, and --api-audiences should be specified together',
    )
  }
  const longest = flags.durationMs('service-account-max-token-expiration')
  if (longest !== 0 && (longest < HOUR_MS || longest > LONGEST_TOKEN_MS)) {
    errors.push('the service-account-max-token-expiration must be between 1 hour and 2^32 seconds')
  }
  return errors
}

function authorizationErrors(flags: FlagSet): string[] {
  const webhook = AUTHORIZATION_WEBHOOK_FLAGS.some((name) => flags.isSet(name))
  if (flags.string('authorization-config') !== '') {
    if (!flags.isSet('authorization-mode') && !webhook) return []
    return [
      '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
    ]
  }
  const modes = flags.list('authorization-mode')
  const errors = modes
    .filter((mode) => !KNOWN_MODES.includes(mode))
    .map((mode) => `authorization-mode ${JSON.stringify(mode)} is not a valid mode`)
  for (const [flag, mode] of [
    ['authorization-webhook-config-file', 'Webhook'],
    ['authorization-policy-file', 'ABAC'],
  ] as const) {
    if (flags.string(flag) !== '' && !modes.includes(mode)) errors.push(`cannot specify --${flag} without mode ${mode}`)
    if (flags.string(flag) === '' && modes.includes(mode))
      errors.push(`authorization-mode ${mode}'s ${noFile(flag)} not passed`)
  }
  return errors
}

function noFile(flag: string): string {
  return flag === 'authorization-policy-file' ? 'authorization policy file' : 'authorization config file'
}

function admissionErrors(flags: FlagSet): string[] {
  const given = ['enable-admission-plugins', 'disable-admission-plugins'] as const
  if (flags.isSet('admission-control')) {
    return ['admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually exclusive']
  }
  return given.flatMap((name) =>
    unknownPlugins({ enable: flags.list(name), disable: [] }).map(
      (plugin) => `${name} plugin ${JSON.stringify(plugin)} is unknown`,
    ),
  )
}

function auditErrors(flags: FlagSet): string[] {
  if (flags.string('audit-log-path') === '') return []
  const format = flags.string('audit-log-format')
  const errors = ['legacy', 'json'].includes(format)
    ? []
    : [`invalid audit log format ${format}, allowed formats are "legacy,json"`]
  for (const name of ['audit-log-maxage', 'audit-log-maxbackup', 'audit-log-maxsize']) {
    if (flags.number(name) < 0) errors.push(`--${name} ${flags.number(name)} can't be a negative number`)
  }
  return errors
}

function serviceErrors(flags: FlagSet): string[] {
  const ranges = flags.string('service-cluster-ip-range').split(',').filter(Boolean)
  return ranges.flatMap((range, index) => {
    const [address = '', bits = ''] = range.split('/')
    const valid = isIP(address) !== 0 && /^\d+$/.test(bits)
    return valid ? [] : [`service-cluster-ip-range[${index}] is not a valid cidr`]
  })
}

/** The modes that decide here. Throws for a mode that the real server has and the simulation has not. */
export function authorizationModes(names: readonly string[]): AuthorizationMode[] {
  return names
    .filter((name) => name !== '')
    .map((name) => {
      const known = AUTHORIZATION_MODES.find((mode) => mode === name)
      if (known) return known
      throw new StartRefusal(
        `authorization-mode ${name}: not simulated`,
        `[authorization_mode] kube-apiserver: ${name}: the simulation decides by ${AUTHORIZATION_MODES.join(', ')} only`,
      )
    })
}

/** What an unset --service-cluster-ip-range stands for. */
export const DEFAULT_SERVICE_RANGE = '10.0.0.0/24'

/** First address of the first range: what the `kubernetes` Service gets. */
export function firstServiceAddress(ranges: string): string {
  const [address = ''] = (ranges.split(',')[0] || DEFAULT_SERVICE_RANGE).split('/')
  const octets = address.split('.').map(Number)
  if (octets.length !== 4) return `${address.replace(/::?$/, '')}::1`
  octets[3] = (octets[3] ?? 0) + 1
  return octets.join('.')
}

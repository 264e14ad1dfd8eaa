/** Reads pki.yaml into a plan; the format is described in pki-plan.ts. */
import { parseDurationMs } from '../settings/duration.ts'
import { nearest } from '../settings/near.ts'
import { KEY_ALGORITHMS, type KeyAlgorithm, type KeyUsage } from '../x509/certificate-spec.ts'
import type {
  AuthorityPlan,
  CertificatePlan,
  KeyPairPlan,
  KubeconfigPlan,
  Modes,
  NamePattern,
  PkiPlan,
  RevocationListPlan,
  SubjectPlan,
} from './pki-plan.ts'
import { fileMode } from './file-mode.ts'
import { came, YamlFile, type YamlPath } from './yaml-file.ts'

const USAGES = ['clientAuth', 'serverAuth'] as const

/**
 * Reads pki.yaml. `places` are the roles and host names that `on` may name.
 *
 * @throws PostureError with file and line, for a field that is missing, unknown or of the wrong kind, and for a name that
 *   nothing bears.
 */
export function readPkiPlan(file: string, text: string, places: readonly string[]): PkiPlan {
  return new PlanReader(new YamlFile(file, text), places).read()
}

class PlanReader {
  readonly yaml: YamlFile
  readonly places: readonly string[]
  key: KeyAlgorithm = 'RSA-2048'
  validityMs = 0
  modes: Modes = { certificate: 0o644, key: 0o600, kubeconfig: 0o600 }

  constructor(yaml: YamlFile, places: readonly string[]) {
    this.yaml = yaml
    this.places = places
  }

  read(): PkiPlan {
    const { yaml } = this
    yaml.only(
      [],
      [
        'encryptionAlgorithm',
        'certificateValidityPeriod',
        'caCertificateValidityPeriod',
        'backdate',
        'modes',
        'authorities',
        'keyPairs',
        'certificates',
        'revocationLists',
        'kubeconfigs',
      ],
    )
    // The defaults are kubeadm's (kubeadm.k8s.io/v1beta4 ClusterConfiguration, constants.go).
    this.key = yaml.oneOf(['encryptionAlgorithm'], KEY_ALGORITHMS, 'RSA-2048')
    this.validityMs = this.duration(['certificateValidityPeriod'], 8760 * HOUR)
    this.modes = this.modesAt(['modes'])
    return {
      caValidityMs: this.duration(['caCertificateValidityPeriod'], 87600 * HOUR),
      backdateMs: this.duration(['backdate'], 5 * MINUTE),
      authorities: this.each('authorities', (name, path) => this.authority(name, path)),
      keyPairs: this.each('keyPairs', (name, path) => this.keyPair(name, path)),
      certificates: this.each('certificates', (name, path) => this.certificate(name, path)),
      revocationLists: this.each('revocationLists', (name, path) => this.revocationList(name, path)),
      kubeconfigs: this.each('kubeconfigs', (name, path) => this.kubeconfig(name, path)),
    }
  }

  each<T>(section: string, read: (name: string, path: YamlPath) => T): T[] {
    return this.yaml.keys([section]).map((name) => read(name, [section, name]))
  }

  authority(name: string, path: YamlPath): AuthorityPlan {
    const { yaml } = this
    yaml.only(path, ['commonName', 'dnsNames', 'encryptionAlgorithm', 'sameAs', 'files', 'modes'])
    const modes = this.modesAt([...path, 'modes'])
    const sameAs = yaml.optionalString([...path, 'sameAs'])
    const plan: AuthorityPlan = {
      name,
      commonName: sameAs === undefined ? yaml.string([...path, 'commonName']) : '',
      dnsNames: yaml.strings([...path, 'dnsNames']),
      key: this.keyAt(path),
      files: yaml.list([...path, 'files']).map((_, index) => this.authorityFile([...path, 'files', index], modes)),
    }
    if (sameAs !== undefined) plan.sameAs = this.authorityName([...path, 'sameAs'])
    if (sameAs === name) yaml.fail([...path, 'sameAs'], 'names itself')
    return plan
  }

  authorityFile(path: YamlPath, modes: Modes): AuthorityPlan['files'][number] {
    this.yaml.only(path, ['on', 'certificate', 'key'])
    const certificate = this.yaml.optionalString([...path, 'certificate'])
    const key = this.yaml.optionalString([...path, 'key'])
    return {
      on: this.place(path),
      ...(certificate ? { certificate } : {}),
      ...(key ? { key } : {}),
      modes,
    }
  }

  keyPair(name: string, path: YamlPath): KeyPairPlan {
    this.yaml.only(path, ['on', 'encryptionAlgorithm', 'privateKey', 'publicKey', 'modes'])
    return {
      name,
      on: this.place(path),
      key: this.keyAt(path),
      privateKey: this.yaml.string([...path, 'privateKey']),
      publicKey: this.yaml.string([...path, 'publicKey']),
      modes: this.modesAt([...path, 'modes']),
    }
  }

  certificate(name: string, path: YamlPath): CertificatePlan {
    this.yaml.only(path, [...SUBJECT_FIELDS, 'on', 'certificate', 'key', 'modes'])
    return {
      name,
      on: this.place(path),
      ...this.subject(path, []),
      certificate: this.yaml.string([...path, 'certificate']),
      keyFile: this.yaml.string([...path, 'key']),
      modes: this.modesAt([...path, 'modes']),
    }
  }

  revocationList(name: string, path: YamlPath): RevocationListPlan {
    this.yaml.only(path, ['on', 'signedBy', 'file', 'modes'])
    return {
      name,
      on: this.place(path),
      signedBy: this.authorityName([...path, 'signedBy']),
      file: this.yaml.string([...path, 'file']),
      modes: this.modesAt([...path, 'modes']),
    }
  }

  kubeconfig(name: string, path: YamlPath): KubeconfigPlan {
    const { yaml } = this
    yaml.only(path, KUBECONFIG_FIELDS)
    const user = yaml.string([...path, 'user'])
    const cluster = yaml.optionalString([...path, 'cluster']) ?? 'kubernetes'
    const plan: KubeconfigPlan = {
      name,
      on: this.place(path),
      file: yaml.string([...path, 'file']),
      cluster,
      context: yaml.optionalString([...path, 'context']) ?? `${user}@${cluster}`,
      user,
      server: yaml.string([...path, 'server']),
      insecureSkipTlsVerify: yaml.flag([...path, 'insecureSkipTLSVerify']),
      modes: this.modesAt([...path, 'modes']),
    }
    if (!URL.canParse(plan.server)) yaml.fail([...path, 'server'], `must be a URL, got ${plan.server}`)
    const client: YamlPath = [...path, 'client']
    if (yaml.get(client) !== undefined) {
      yaml.only(client, [...SUBJECT_FIELDS, 'pem'])
      const pem = yaml.optionalString([...client, 'pem'])
      plan.client = { ...this.subject(client, ['clientAuth']), ...(pem ? { pem } : {}) }
    }
    if (yaml.get([...path, 'token']) !== undefined) plan.token = this.pattern([...path, 'token'])
    if (yaml.get([...path, 'certificateAuthority']) !== undefined) {
      plan.certificateAuthority = this.authorityName([...path, 'certificateAuthority'])
    }
    return plan
  }

  subject(path: YamlPath, usages: KeyUsage[]): SubjectPlan {
    const { yaml } = this
    const sans: YamlPath = [...path, 'sans']
    yaml.only(sans, ['hostName', 'hostAddress', 'dns', 'ip'])
    const named = yaml.list([...path, 'usages']).map((_, index) => yaml.oneOf([...path, 'usages', index], USAGES))
    return {
      signedBy: this.authorityName([...path, 'signedBy']),
      commonName: this.pattern([...path, 'commonName']),
      organizations: yaml.strings([...path, 'organizations']),
      usages: named.length > 0 ? named : usages,
      sans: {
        hostName: yaml.flag([...sans, 'hostName']),
        hostAddress: yaml.flag([...sans, 'hostAddress']),
        dns: yaml.strings([...sans, 'dns']),
        ip: yaml.strings([...sans, 'ip']),
      },
      key: this.keyAt(path),
      validityMs: this.duration([...path, 'validityPeriod'], this.validityMs),
    }
  }

  pattern(path: YamlPath): NamePattern {
    const value = this.yaml.get(path)
    if (typeof value === 'string') return { prefix: value, hostName: false }
    this.yaml.only(path, ['prefix', 'hostName'])
    return {
      prefix: this.yaml.optionalString([...path, 'prefix']) ?? '',
      hostName: this.yaml.flag([...path, 'hostName']),
    }
  }

  keyAt(path: YamlPath): KeyAlgorithm {
    return this.yaml.oneOf([...path, 'encryptionAlgorithm'], KEY_ALGORITHMS, this.key)
  }

  place(path: YamlPath): string {
    const on = this.yaml.string([...path, 'on'])
    if (!this.places.includes(on)) {
      this.yaml.fail([...path, 'on'], `no role or host is called ${on}${hint(on, this.places)}`)
    }
    return on
  }

  authorityName(path: YamlPath): string {
    const name = this.yaml.string(path)
    const known = this.yaml.keys(['authorities'])
    if (!known.includes(name)) this.yaml.fail(path, `no authority is called ${name}${hint(name, known)}`)
    return name
  }

  modesAt(path: YamlPath): Modes {
    this.yaml.only(path, ['certificate', 'key', 'kubeconfig'])
    const at = (kind: keyof Modes): number => fileMode(this.yaml, [...path, kind], this.modes[kind])
    return { certificate: at('certificate'), key: at('key'), kubeconfig: at('kubeconfig') }
  }

  duration(path: YamlPath, otherwise: number): number {
    const text = this.yaml.get(path)
    if (text === undefined) return otherwise
    if (typeof text !== 'string') this.yaml.fail(path, `must be a duration such as 8760h, got ${came(text)}`)
    try {
      return parseDurationMs(text)
    } catch (error) {
      return this.yaml.fail(path, error instanceof Error ? error.message : String(error))
    }
  }
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KUBECONFIG_FIELDS = [
  'on',
  'file',
  'cluster',
  'context',
  'user',
  'server',
  'certificateAuthority',
  'insecureSkipTLSVerify',
  'client',
  'token',
  'modes',
]
const SUBJECT_FIELDS = [
  'signedBy',
  'commonName',
  'organizations',
  'usages',
  'sans',
  'encryptionAlgorithm',
  'validityPeriod',
]

function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? `; known are ${known.join(', ')}` : ` (did you mean ${near}?)`
}

/** The certificates of the recorded etcd answers, made anew from their properties, in one folder. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { revocationList } from '../../../lib/x509/odd.ts'
import { pemBlocks } from '../../../lib/x509/pem.ts'
import {
  pemOf,
  writeCertificate,
  type CertificateProperties,
  type WrittenCertificate,
} from '../kube-apiserver/certificate-writer.ts'

/** A table of this folder. */
export function recorded<Row>(file: string): Row[] {
  const rows: Row[] = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/etcd', file), 'utf8'))
  return rows
}

interface CredentialRow {
  name: string
  /** `CN=a,O=b` */
  subject: string
  issuer: string
  extendedKeyUsage?: string[]
  keyUsage?: string[]
  subjectAltNames?: string[]
  notBeforeSecondsFromNow?: number
  notAfterSecondsFromNow?: number
  /** In hexadecimal. */
  serial?: string
  sendsIssuer?: boolean
}

export interface PemPair {
  cert: string
  key: string
}

const YEAR_SECONDS = 365 * 86_400
const DAY_MS = 86_400_000

/** The serial that the recorded revocation lists name. */
const REVOKED_SERIAL = 0x5ecf1a11n

/** Issuers by the name that credentials.json has for them, with the file of their certificate. */
const CAS: Readonly<Record<string, string>> = {
  'CN=etcd-ca': 'etcd-ca',
  'CN=etcd-peer-ca': 'etcd-peer-ca',
  'CN=kubernetes': 'ca',
  'CN=other-ca': 'other-ca',
  'CN=etcd-ca (another key)': 'etcd-ca-twin',
}

export class RecordedPki {
  readonly folder: string
  readonly #rows = new Map(recorded<CredentialRow>('credentials.json').map((row) => [row.name, row]))
  readonly #cas = new Map<string, WrittenCertificate>()
  readonly #made = new Map<string, { written: WrittenCertificate; pair: PemPair }>()

  /** Writes CAs into the folder; leaves follow when somebody asks for them. */
  constructor(folder: string) {
    this.folder = folder
    for (const [issuer, name] of Object.entries(CAS)) {
      const commonName = issuer.replace(/^CN=| .*$/g, '')
      const ca = writeCertificate({
        subject: [['CN', commonName]],
        ...CA_PROPERTIES,
        // As kubeadm writes its own.
        subjectAltNames: [`DNS:${commonName}`],
        key: rsaKey(issuer),
      })
      this.#cas.set(issuer, ca)
      this.#save(`${name}.crt`, pemOf(ca.der))
    }
    this.#save('bundle.crt', ['etcd-ca', 'etcd-peer-ca'].map((name) => this.pem(`${name}.crt`)).join(''))
  }

  /** The text of a file of the folder. */
  pem(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  /** Certificate chain as it is sent, and key; written as `<name>.crt` and `<name>.key` as well. */
  credential(name: string): PemPair {
    return name === 'ca-itself' ? pairOf([this.#ca('CN=etcd-ca')]) : this.#leaf(name).pair
  }

  /** `crl.der`, `crl.pem`, `crl-empty.der`, `crl-stale.der`, `crl-other-issuer.der`, `crl-garbage.der`. */
  async writeRevocationLists(): Promise<void> {
    const from = (days: number): Date => new Date(Date.now() + days * DAY_MS)
    const list = (issuer: string, serials: bigint[], nextUpdate: Date): Promise<string> => {
      const { cert, key } = pairOf([this.#ca(issuer)])
      return revocationList({ certificate: cert, privateKey: key }, serials, { thisUpdate: from(-20), nextUpdate })
    }
    const pem = await list('CN=etcd-ca', [REVOKED_SERIAL], from(30))
    this.#save('crl.pem', pem)
    this.#save('crl.der', derOf(pem))
    this.#save('crl-empty.der', derOf(await list('CN=etcd-ca', [], from(30))))
    this.#save('crl-stale.der', derOf(await list('CN=etcd-ca', [REVOKED_SERIAL], from(-10))))
    this.#save('crl-other-issuer.der', derOf(await list('CN=other-ca', [REVOKED_SERIAL], from(30))))
    this.#save('crl-garbage.der', 'this is no revocation list')
  }

  #leaf(name: string): { written: WrittenCertificate; pair: PemPair } {
    const known = this.#made.get(name)
    if (known) return known
    const row = this.#rows.get(name)
    if (!row) throw new Error(`no credential named ${name}`)
    const { serial, notAfterSecondsFromNow = YEAR_SECONDS, notBeforeSecondsFromNow = -300 } = row
    const properties: CertificateProperties = {
      ...row,
      subject: row.subject
        .split(',')
        .toReversed()
        .map((part) => part.split('=') as [string, string]),
      keyUsage: row.keyUsage ?? ['digitalSignature', 'keyEncipherment'],
      notBeforeSecondsFromNow,
      notAfterSecondsFromNow,
      // Most leaves share one: nobody compares keys, but for a member's own files.
      key: rsaKey(name === 'peer' ? 'peer' : 'leaf'),
      ...(serial === undefined ? {} : { serial: BigInt(`0x${serial}`) }),
    } as CertificateProperties
    const issuer = row.issuer === row.subject ? undefined : this.#ca(row.issuer)
    const written = writeCertificate(properties, issuer)
    const pair = pairOf(row.sendsIssuer && issuer ? [written, issuer] : [written])
    this.#made.set(name, { written, pair })
    this.#save(`${name}.crt`, pair.cert)
    this.#save(`${name}.key`, pair.key)
    return { written, pair }
  }

  #ca(issuer: string): WrittenCertificate {
    const known = this.#cas.get(issuer)
    if (known) return known
    // A leaf that signs, and the intermediate, which no file holds.
    if (issuer !== 'CN=etcd-int-ca') return this.#leaf('healthcheck-client').written
    const made = writeCertificate(
      { subject: [['CN', 'etcd-int-ca']], ...CA_PROPERTIES, key: rsaKey(issuer) },
      this.#ca('CN=etcd-ca'),
    )
    this.#cas.set(issuer, made)
    return made
  }

  #save(file: string, content: string | Buffer): void {
    writeFileSync(join(this.folder, file), content, { mode: 0o600 })
  }
}

const CA_PROPERTIES = {
  basicConstraintsCA: true,
  keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
  notBeforeSecondsFromNow: -300,
  notAfterSecondsFromNow: 10 * YEAR_SECONDS,
} as const

const keys = new Map<string, KeyObject>()

/** The key of that name, the same for every PKI of this process: one costs a tenth of a second. */
function rsaKey(name: string): KeyObject {
  const key = keys.get(name) ?? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  keys.set(name, key)
  return key
}

function pairOf(chain: readonly WrittenCertificate[]): PemPair {
  const key = chain[0]!.key.export({ type: 'pkcs1', format: 'pem' })
  return { cert: chain.map(({ der }) => pemOf(der)).join(''), key: key.toString() }
}

function derOf(pem: string): Buffer {
  return pemBlocks(pem)[0]!.der
}

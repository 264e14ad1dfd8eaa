/** Where a kubelet keeps a certificate that it had signed: client-go util/certificate/certificate_store.go. */
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pemBlocks } from '../../../lib/x509/pem.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'

const OWNER_ONLY = 0o600

export class CertificateFiles {
  readonly #folder: string
  readonly #prefix: string

  constructor(folder: string, prefix: 'kubelet-client' | 'kubelet-server') {
    this.#folder = folder
    this.#prefix = prefix
  }

  /** A link to the newest file, which holds certificate and key. */
  get currentPath(): string {
    return join(this.#folder, `${this.#prefix}-current.pem`)
  }

  current(): string | undefined {
    try {
      return readFileSync(this.currentPath, 'utf8')
    } catch {
      return undefined
    }
  }

  /** Writes a file of its own, named by the time, and turns the link to it. */
  keep(certificate: string, key: string): void {
    mkdirSync(this.#folder, { recursive: true })
    const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-')
    const path = join(this.#folder, `${this.#prefix}-${stamp}.pem`)
    writeFileSync(path, certificate.trimEnd().concat('\n', key), { mode: OWNER_ONLY })
    const fresh = join(this.#folder, `${this.#prefix}-updated.pem`)
    symlinkSync(path, fresh)
    renameSync(fresh, this.currentPath)
  }
}

/** How long the first certificate of a PEM lives; undefined where there is none that can be read. */
export function validityOf(pem: string | undefined): { notBefore: Date; notAfter: Date } | undefined {
  const der = pemBlocks(pem ?? '').find(({ label }) => label === 'CERTIFICATE')?.der
  if (!der) return undefined
  try {
    const { notBefore, notAfter } = parseCertificate(der)
    return { notBefore, notAfter }
  } catch {
    return undefined
  }
}

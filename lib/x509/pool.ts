import type { Certificate } from './certificate.ts'
import { CertificateParseError } from './errors.ts'
import { parseCertificate } from './parse.ts'
import { pemBlocks } from './pem.ts'

/** Certificates in the order they came, each once, found by subject: Go's x509.CertPool. */
export class CertPool {
  readonly #certificates: Certificate[] = []
  readonly #bySubject = new Map<string, Certificate[]>()
  readonly #known = new Set<string>()

  get certificates(): readonly Certificate[] {
    return this.#certificates
  }

  add(certificate: Certificate): void {
    const key = certificate.raw.toString('latin1')
    if (this.#known.has(key)) return
    this.#known.add(key)
    this.#certificates.push(certificate)
    const subject = certificate.rawSubject.toString('latin1')
    const namesakes = this.#bySubject.get(subject)
    if (namesakes) namesakes.push(certificate)
    else this.#bySubject.set(subject, [certificate])
  }

  has(certificate: Certificate): boolean {
    return this.#known.has(certificate.raw.toString('latin1'))
  }

  /**
   * Those whose subject is the certificate's issuer, octet for octet: first those whose key identifier matches (also where
   * both have none), then those where one side has none, then those that differ. A wrong identifier rules nobody out.
   */
  potentialParents(certificate: Certificate): Certificate[] {
    const namesakes = this.#bySubject.get(certificate.rawIssuer.toString('latin1')) ?? []
    if (namesakes.length < 2) return namesakes
    const wanted = certificate.authorityKeyId
    const rank = ({ subjectKeyId }: Certificate): number => {
      if (subjectKeyId.equals(wanted)) return 0
      return subjectKeyId.length === 0 || wanted.length === 0 ? 1 : 2
    }
    return namesakes.toSorted((a, b) => rank(a) - rank(b))
  }
}

/** Go's AppendCertsFromPEM: CERTIFICATE blocks without headers; those that do not parse are left out. */
export function certPool(pemOrDer: string | readonly Buffer[]): CertPool {
  const ders =
    typeof pemOrDer === 'string'
      ? pemBlocks(pemOrDer)
          .filter(({ label, hasHeaders }) => label === 'CERTIFICATE' && !hasHeaders)
          .map(({ der }) => der)
      : pemOrDer
  const pool = new CertPool()
  for (const der of ders) {
    try {
      pool.add(parseCertificate(der))
    } catch (error) {
      if (!(error instanceof CertificateParseError)) throw error
    }
  }
  return pool
}

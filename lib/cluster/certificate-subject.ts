/** What a witness says of a client certificate that was shown, whatever it was worth. */
import { nameToString } from '../x509/name.ts'
import { CertificateParseError, parseCertificate } from '../x509/parse.ts'

/** Subject and serial (lower-case hex) of the leaf; empty where none was shown or it does not parse. */
export function certificateSubject(peerChain: readonly Buffer[]): { identity?: string; serial?: string } {
  const [der] = peerChain
  if (!der) return {}
  try {
    const { subject, serialNumber } = parseCertificate(der)
    return { identity: nameToString(subject), serial: serialNumber.toString(16) }
  } catch (error) {
    if (error instanceof CertificateParseError) return {}
    throw error
  }
}

import { ia5String } from './asn1-string.ts'
import { DerReader, contextTag, SEQUENCE } from './der.ts'
import { isDomainName } from './domain-name.ts'
import { refuse } from './errors.ts'
import { goQuote } from './go-quote.ts'
import { parseUri, type Uri } from './uri.ts'

/** The four kinds of general name that Go reads (RFC 5280 section 4.2.1.6); others are passed over. */
export interface SubjectAlternativeNames {
  dns: string[]
  emails: string[]
  /** 4 or 16 octets each. */
  ips: Buffer[]
  uris: Uri[]
}

const EMAIL = contextTag(1)
const DNS = contextTag(2)
const URI = contextTag(6)
const IP = contextTag(7)

export function parseSubjectAlternativeNames(value: Buffer): SubjectAlternativeNames {
  const names: SubjectAlternativeNames = { dns: [], emails: [], ips: [], uris: [] }
  const sequence = new DerReader(value).read(SEQUENCE) ?? refuse('x509: invalid subject alternative names')
  while (!sequence.isEmpty) {
    const { tag, content } = sequence.readAny() ?? refuse('x509: invalid subject alternative name')
    if (tag === EMAIL) names.emails.push(ia5String(content) ?? refuse('x509: SAN rfc822Name is malformed'))
    else if (tag === DNS) names.dns.push(ia5String(content) ?? refuse('x509: SAN dNSName is malformed'))
    else if (tag === URI) names.uris.push(uniformResourceIdentifier(content))
    else if (tag === IP) {
      if (content.length !== 4 && content.length !== 16) {
        refuse(`x509: cannot parse IP address of length ${content.length}`)
      }
      names.ips.push(content)
    }
  }
  return names
}

function uniformResourceIdentifier(content: Buffer): Uri {
  const text = ia5String(content) ?? refuse('x509: SAN uniformResourceIdentifier is malformed')
  const uri = parseUri(text)
  if (typeof uri === 'string') return refuse(`x509: cannot parse URI ${goQuote(text)}: ${uri}`)
  if (!isDomainName(uri.host, false)) refuse(`x509: cannot parse URI ${goQuote(text)}: invalid domain`)
  return uri
}

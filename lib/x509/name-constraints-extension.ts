import { ia5String } from './asn1-string.ts'
import { constructedTag, contextTag, DerReader, SEQUENCE } from './der.ts'
import { isDomainName } from './domain-name.ts'
import { refuse } from './errors.ts'
import { goQuote, goQuoteBytes } from './go-quote.ts'
import { parseIp } from './ip.ts'
import { parseMailbox } from './mailbox.ts'

export interface IpRange {
  /** 4 or 16 octets, host bits as written. */
  ip: Buffer
  mask: Buffer
}

/** One side, permitted or excluded, of RFC 5280 section 4.2.1.10. */
export interface Subtrees {
  dns: string[]
  ips: IpRange[]
  /** Whole addresses hold an `@`; the others are domains. */
  emails: string[]
  uris: string[]
}

export interface NameConstraints {
  permitted: Subtrees
  excluded: Subtrees
  /** A kind stands there that Go does not check (directoryName, for one): fatal where the extension is critical. */
  hasUnhandledKind: boolean
}

const MALFORMED = 'x509: invalid NameConstraints extension'

const EMAIL = contextTag(1)
const DNS = contextTag(2)
const URI = contextTag(6)
const IP = contextTag(7)

export function parseNameConstraints(value: Buffer): NameConstraints {
  const outer = new DerReader(value)
  const sequence = outer.read(SEQUENCE) ?? refuse(MALFORMED)
  if (!outer.isEmpty) refuse(MALFORMED)
  const permitted = sequence.readOptional(constructedTag(0))
  if (permitted === undefined) refuse(MALFORMED)
  const excluded = sequence.readOptional(constructedTag(1))
  if (excluded === undefined || !sequence.isEmpty) refuse(MALFORMED)
  if ((permitted?.isEmpty ?? true) && (excluded?.isEmpty ?? true)) refuse('x509: empty name constraints extension')
  const constraints = { permitted: noSubtrees(), excluded: noSubtrees() }
  const handled = [
    permitted === null || readSubtrees(permitted, constraints.permitted),
    excluded === null || readSubtrees(excluded, constraints.excluded),
  ]
  return { ...constraints, hasUnhandledKind: handled.includes(false) }
}

/** False where a kind is among them that Go does not handle. */
function readSubtrees(trees: DerReader, into: Subtrees): boolean {
  let handled = true
  while (!trees.isEmpty) {
    const base = trees.read(SEQUENCE)?.readAny() ?? refuse(MALFORMED)
    handled = readSubtree(base.tag, base.content, into) && handled
  }
  return handled
}

const noSubtrees = (): Subtrees => ({ dns: [], ips: [], emails: [], uris: [] })

function readSubtree(tag: number, content: Buffer, into: Subtrees): boolean {
  switch (tag) {
    case DNS:
      into.dns.push(domain(content, 'dnsName'))
      return true
    case IP:
      into.ips.push(ipRange(content))
      return true
    case EMAIL:
      into.emails.push(mailboxOrDomain(content))
      return true
    case URI:
      into.uris.push(uriDomain(content))
      return true
    default:
      return false
  }
}

function ascii(content: Buffer): string {
  const quoted = (): string => goQuoteBytes(content.toString('latin1'))
  return (
    ia5String(content) ?? refuse(`x509: invalid constraint value: x509: ${quoted()} cannot be encoded as an IA5String`)
  )
}

function domain(content: Buffer, kind: string): string {
  const name = ascii(content)
  if (!isDomainName(name, true)) refuse(`x509: failed to parse ${kind} constraint ${goQuote(name)}`)
  return name
}

function ipRange(content: Buffer): IpRange {
  if (content.length !== 8 && content.length !== 32) {
    refuse(`x509: IP constraint contained value of length ${content.length}`)
  }
  const ip = content.subarray(0, content.length / 2)
  const mask = content.subarray(content.length / 2)
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  if (!/^1*0*$/.test(bits)) refuse(`x509: IP constraint contained invalid mask ${mask.toString('hex')}`)
  return { ip, mask }
}

function mailboxOrDomain(content: Buffer): string {
  const text = ascii(content)
  if (!text.includes('@')) return domain(content, 'rfc822Name')
  if (parseMailbox(text) === undefined) refuse(`x509: failed to parse rfc822Name constraint ${goQuote(text)}`)
  return text
}

function uriDomain(content: Buffer): string {
  const text = ascii(content)
  if (parseIp(text)) refuse(`x509: failed to parse URI constraint ${goQuote(text)}: cannot be IP address`)
  return domain(content, 'URI')
}

import { type Certificate, subjectAltNameExtension } from './certificate.ts'
import { DnsConstraints } from './dns-constraints.ts'
import { isDomainName } from './domain-name.ts'
import { goQuote } from './go-quote.ts'
import { ipToString, parseAddr } from './ip.ts'
import { IpConstraints } from './ip-constraints.ts'
import { type Mailbox, parseMailbox } from './mailbox.ts'
import type { Subtrees } from './name-constraints-extension.ts'
import { type Uri, uriToString } from './uri.ts'

/** Names of one certificate, made ready to be compared. */
interface Names {
  ips: Buffer[]
  dns: string[]
  uris: { text: string; domain: string }[]
  emails: Mailbox[]
}

/** What a list of constraints says of a name: the constraint it falls under, or nothing. */
type Matcher<T> = (name: T) => string | undefined

interface Side {
  ip: Matcher<Buffer> | undefined
  dns: Matcher<string> | undefined
  uri: Matcher<string> | undefined
  email: Matcher<Mailbox> | undefined
}

interface Constraints {
  /** Where in the chain the certificate stands that says so. */
  index: number
  permitted: Side
  excluded: Side
}

class Violation extends Error {}

function violate(text: string): never {
  throw new Violation(text)
}

/**
 * Go's checkChainConstraints: the detail of its CANotAuthorizedForThisName error, or `undefined`. The names of every
 * certificate with a SAN are held against the constraints of those above it.
 */
export function nameConstraintsProblem(chain: readonly Certificate[]): string | undefined {
  const constraints = chain.flatMap(({ nameConstraints }, index): Constraints[] =>
    nameConstraints
      ? [
          {
            index,
            permitted: side(nameConstraints.permitted, 'permitted'),
            excluded: side(nameConstraints.excluded, 'excluded'),
          },
        ]
      : [],
  )
  try {
    for (const [index, certificate] of chain.entries()) {
      if (subjectAltNameExtension(certificate) === undefined) continue
      const above = constraints.filter((constraint) => constraint.index > index)
      if (above.length === 0) break
      const names = namesOf(certificate)
      for (const constraint of above) checkNames(constraint, names)
    }
    return undefined
  } catch (error) {
    if (error instanceof Violation) return error.message
    throw error
  }
}

function side(trees: Subtrees, which: 'permitted' | 'excluded'): Side {
  return {
    ip: ipMatcher(trees),
    dns: domainMatcher(trees.dns, which),
    uri: domainMatcher(trees.uris, which),
    email: emailMatcher(trees.emails, which),
  }
}

function ipMatcher({ ips }: Subtrees): Matcher<Buffer> | undefined {
  if (ips.length === 0) return undefined
  const constraints = new IpConstraints(ips)
  return (ip) => constraints.match(ip)
}

function domainMatcher(names: readonly string[], which: 'permitted' | 'excluded'): Matcher<string> | undefined {
  if (names.length === 0) return undefined
  const constraints = new DnsConstraints(names, which)
  return (name) => constraints.match(name)
}

/** Whole addresses are compared with the local part as it is, the domain without case. */
function emailMatcher(emails: readonly string[], which: 'permitted' | 'excluded'): Matcher<Mailbox> | undefined {
  if (emails.length === 0) return undefined
  const exact = new Set<string>()
  for (const email of emails) {
    const mailbox = email.includes('@') ? parseMailbox(email) : undefined
    if (mailbox) exact.add(mailboxKey({ ...mailbox, domain: mailbox.domain.toLowerCase() }))
  }
  const domains = domainMatcher(
    emails.filter((email) => !email.includes('@')),
    which,
  )
  return (mailbox) => (exact.has(mailboxKey(mailbox)) ? mailboxToString(mailbox) : domains?.(mailbox.domain))
}

/** A NUL is in no domain, an `@` may be in the local part. */
const mailboxKey = ({ local, domain }: Mailbox): string => `${local}\u0000${domain}`

const mailboxToString = ({ local, domain }: Mailbox): string => `${local}@${domain}`

function namesOf(certificate: Certificate): Names {
  return {
    ips: certificate.rawIpAddresses,
    dns: certificate.dnsNames,
    uris: certificate.parsedUris.map(constrainableUri),
    emails: certificate.emails.map((email) => {
      const mailbox = parseMailbox(email) ?? violate(`cannot parse rfc822Name ${goQuote(email)}`)
      return { ...mailbox, domain: mailbox.domain.toLowerCase() }
    }),
  }
}

/** As soon as any constraint applies, a URI needs a host that is a name. */
function constrainableUri(uri: Uri): { text: string; domain: string } {
  const text = uriToString(uri)
  let host = uri.host.toLowerCase()
  if (host === '') violate(`URI with empty host (${goQuote(text)}) cannot be matched against constraints`)
  if (host.includes(':') && !host.endsWith(']')) {
    // The host less its port is not lower-cased in Go either.
    const split = hostOfHostPort(uri.host)
    if ('problem' in split) return violate(`cannot parse URI host ${goQuote(uri.host)}: ${split.problem}`)
    host = split.host
  }
  if (typeof parseAddr(host) !== 'string' || (host.startsWith('[') && host.endsWith(']'))) {
    violate(`URI with IP (${goQuote(text)}) cannot be matched against constraints`)
  }
  return { text, domain: host }
}

/** Go's net.SplitHostPort of a text with a colon in it. */
function hostOfHostPort(hostPort: string): { host: string } | { problem: string } {
  const problem = (why: string): { problem: string } => ({ problem: `address ${hostPort}: ${why}` })
  const colon = hostPort.lastIndexOf(':')
  const bracketed = hostPort.startsWith('[')
  const close = bracketed ? hostPort.indexOf(']') : -1
  if (bracketed && close === -1) return problem("missing ']' in address")
  if (bracketed && close + 1 !== colon) {
    return problem(hostPort[close + 1] === ':' ? 'too many colons in address' : 'missing port in address')
  }
  const host = bracketed ? hostPort.slice(1, close) : hostPort.slice(0, colon)
  if (!bracketed && host.includes(':')) return problem('too many colons in address')
  if (hostPort.includes('[', bracketed ? 1 : 0)) return problem("unexpected '[' in address")
  if (hostPort.includes(']', bracketed ? close + 1 : 0)) return problem("unexpected ']' in address")
  return { host }
}

function checkNames({ permitted, excluded }: Constraints, names: Names): void {
  for (const ip of names.ips) check('IP address', ipToString(ip), ip, permitted.ip, excluded.ip)
  for (const name of names.dns) {
    if (!isDomainName(name, false)) violate(`x509: cannot parse dnsName ${goQuote(name)}`)
    check('DNS name', name, name, permitted.dns, excluded.dns)
  }
  for (const { text, domain } of names.uris) {
    if (!isDomainName(domain, false)) violate(`x509: internal error: URI SAN ${goQuote(text)} failed to parse`)
    check('URI', text, domain, permitted.uri, excluded.uri)
  }
  for (const mailbox of names.emails) {
    const text = mailboxToString(mailbox)
    if (!isDomainName(mailbox.domain, false)) violate(`x509: cannot parse rfc822Name ${goQuote(text)}`)
    check('email address', text, mailbox, permitted.email, excluded.email)
  }
}

function check<T>(
  kind: string,
  text: string,
  name: T,
  permitted: Matcher<T> | undefined,
  excluded: Matcher<T> | undefined,
): void {
  if (permitted && permitted(name) === undefined) {
    violate(`${kind} ${goQuote(text)} is not permitted by any constraint`)
  }
  const constraint = excluded?.(name)
  if (constraint !== undefined) {
    violate(`${kind} ${goQuote(text)} is excluded by constraint ${goQuote(constraint)}`)
  }
}

/** An e-mail address as a certificate may hold it: RFC 2821 section 4.1.2 `Mailbox`. */
export interface Mailbox {
  local: string
  domain: string
}

const ATOM = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]/
// oxlint-disable-next-line no-control-regex -- the RFC allows control characters in quotes
const QUOTED = /[\x01-\x08\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]/
// oxlint-disable-next-line no-control-regex -- as above
const QUOTED_PAIR = /[\x01-\x09\x0b\x0c\x0e-\x7f]/

/** crypto/x509's parseRFC2821Mailbox; quotes and backslashes are resolved, the domain stays as written. */
export function parseMailbox(address: string): Mailbox | undefined {
  const local = address.startsWith('"') ? quotedString(address) : dotString(address)
  if (local === undefined || address[local.end] !== '@') return undefined
  const domain = address.slice(local.end + 1)
  return isMailDomain(domain) ? { local: local.text, domain } : undefined
}

function quotedString(address: string): { text: string; end: number } | undefined {
  let text = ''
  for (let i = 1; i < address.length; i++) {
    let character = address.charAt(i)
    if (character === '"') return { text, end: i + 1 }
    const pair = character === '\\'
    if (pair) character = address.charAt(++i)
    if (!(pair ? QUOTED_PAIR : QUOTED).test(character)) return undefined
    text += character
  }
  return undefined
}

/** Escapes outside quotes are taken too (RFC 3696 errata), whatever they escape. */
function dotString(address: string): { text: string; end: number } | undefined {
  let text = ''
  let end = 0
  for (; end < address.length; end++) {
    const character = address.charAt(end)
    if (character === '\\') {
      if (++end === address.length) return undefined
      text += address.charAt(end)
    } else if (ATOM.test(character)) text += character
    else break
  }
  if (text === '' || text.startsWith('.') || text.endsWith('.') || text.includes('..')) return undefined
  return { text, end }
}

/** crypto/x509's domainToReverseLabels: unlike a domain name elsewhere, it may not begin with a dot, but may be empty. */
function isMailDomain(domain: string): boolean {
  return domain === '' || /^[\x21-\x2d\x2f-\x7e]+(\.[\x21-\x2d\x2f-\x7e]+)*$/.test(domain)
}

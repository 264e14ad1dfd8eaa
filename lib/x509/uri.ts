import { goQuoteBytes } from './go-quote.ts'
import { parseAddr } from './ip.ts'

/** A URI reference as Go's net/url holds it; all strings hold one byte in each character. */
export interface Uri {
  scheme: string
  opaque: string
  user: { name: string; password: string | undefined } | undefined
  /** `host` or `host:port`, unescaped. */
  host: string
  path: string
  rawPath: string
  rawQuery: string
  forceQuery: boolean
  omitHost: boolean
  fragment: string
  rawFragment: string
}

class InvalidUri extends Error {}

function invalid(text: string): never {
  throw new InvalidUri(text)
}

/** Go's url.Parse (go1.26 net/url/url.go); a string is the text of its error. */
export function parseUri(text: string): Uri | string {
  const hash = text.indexOf('#')
  const reference = hash === -1 ? text : text.slice(0, hash)
  const fragment = hash === -1 ? '' : text.slice(hash + 1)
  let part = reference
  try {
    const uri = parseReference(reference)
    part = text
    uri.fragment = unescape(fragment, 'fragment')
    uri.rawFragment = escape(uri.fragment, 'fragment') === fragment ? '' : fragment
    return uri
  } catch (error) {
    if (error instanceof InvalidUri) return `parse ${goQuoteBytes(part)}: ${error.message}`
    throw error
  }
}

function parseReference(text: string): Uri {
  const uri: Uri = {
    scheme: '',
    opaque: '',
    user: undefined,
    host: '',
    path: '',
    rawPath: '',
    rawQuery: '',
    forceQuery: false,
    omitHost: false,
    fragment: '',
    rawFragment: '',
  }
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) invalid('net/url: invalid control character in URL')
  if (text === '*') return { ...uri, path: '*' }
  if (text.startsWith(':')) invalid('missing protocol scheme')
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text)?.[1] ?? ''
  uri.scheme = scheme.toLowerCase()
  let rest = scheme === '' ? text : text.slice(scheme.length + 1)

  const question = rest.indexOf('?')
  uri.forceQuery = question !== -1 && question === rest.length - 1
  if (question !== -1) {
    uri.rawQuery = rest.slice(question + 1)
    rest = rest.slice(0, question)
  }
  if (!rest.startsWith('/')) {
    if (uri.scheme !== '') return { ...uri, opaque: rest }
    if ((rest.split('/', 1)[0] ?? '').includes(':')) invalid('first path segment in URL cannot contain colon')
  }
  if (rest.startsWith('//') && (uri.scheme !== '' || !rest.startsWith('///'))) {
    const slash = rest.indexOf('/', 2)
    const authority = slash === -1 ? rest.slice(2) : rest.slice(2, slash)
    rest = slash === -1 ? '' : rest.slice(slash)
    Object.assign(uri, parseAuthority(uri.scheme, authority))
  } else uri.omitHost = uri.scheme !== '' && rest.startsWith('/')
  uri.path = unescape(rest, 'path')
  uri.rawPath = escape(uri.path, 'path') === rest ? '' : rest
  return uri
}

function parseAuthority(scheme: string, authority: string): Pick<Uri, 'user' | 'host'> {
  const at = authority.lastIndexOf('@')
  const host = parseHost(scheme, authority.slice(at + 1))
  if (at === -1) return { user: undefined, host }
  const userinfo = authority.slice(0, at)
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userinfo)) invalid('net/url: invalid userinfo')
  const colon = userinfo.indexOf(':')
  if (colon === -1) return { user: { name: unescape(userinfo, 'user'), password: undefined }, host }
  const name = unescape(userinfo.slice(0, colon), 'user')
  return { user: { name, password: unescape(userinfo.slice(colon + 1), 'user') }, host }
}

function parseHost(scheme: string, host: string): string {
  const open = host.lastIndexOf('[')
  if (open > 0) invalid('invalid IP-literal')
  if (open === 0) return parseIpLiteral(host)
  const first = host.indexOf(':')
  if (first !== -1) {
    // Only http and https are held to one colon (go.dev/issue/75223).
    const strict = scheme === 'http' || scheme === 'https'
    requirePort(host.slice(strict ? first : host.lastIndexOf(':')))
  }
  return unescape(host, 'host')
}

function parseIpLiteral(host: string): string {
  const close = host.lastIndexOf(']')
  if (close === -1) invalid("missing ']' in host")
  const port = host.slice(close + 1)
  requirePort(port)
  const literal = host.slice(1, close)
  const zone = literal.indexOf('%25')
  const plain =
    zone === -1
      ? unescape(literal, 'host')
      : unescape(literal.slice(0, zone), 'host') + unescape(literal.slice(zone), 'zone')
  const address = parseAddr(plain)
  if (typeof address === 'string') return invalid(`invalid host: ${address}`)
  if (address.bytes.length === 4) invalid('invalid IP-literal')
  return `[${plain}]${port}`
}

function requirePort(port: string): void {
  if (!/^(:[0-9]*)?$/.test(port)) invalid(`invalid port ${goQuoteBytes(port)} after host`)
}

/** Go's URL.String(). */
export function uriToString(uri: Uri): string {
  let text = uri.scheme === '' ? '' : `${uri.scheme}:`
  if (uri.opaque !== '') text += uri.opaque
  else {
    const { host, user } = uri
    if ((uri.scheme !== '' || host !== '' || user) && !(uri.omitHost && host === '' && !user)) {
      if (host !== '' || uri.path !== '' || user) text += '//'
      if (user) text += `${userToString(user)}@`
      text += escape(host, 'host')
    }
    const path = escapedAs(uri.path, uri.rawPath, 'path')
    if (path !== '' && !path.startsWith('/') && host !== '') text += '/'
    // A first segment with a colon would read as a scheme (RFC 3986 section 4.2).
    if (text === '' && (path.split('/', 1)[0] ?? '').includes(':')) text = './'
    text += path
  }
  if (uri.forceQuery || uri.rawQuery !== '') text += `?${uri.rawQuery}`
  if (uri.fragment !== '') text += `#${escapedAs(uri.fragment, uri.rawFragment, 'fragment')}`
  return text
}

function userToString({ name, password }: NonNullable<Uri['user']>): string {
  return escape(name, 'user') + (password === undefined ? '' : `:${escape(password, 'user')}`)
}

/** The spelling it came in, if that is a valid one; else our own. */
function escapedAs(plain: string, raw: string, mode: 'path' | 'fragment'): string {
  const valid = raw.split('').every((one) => /[!$&'()*+,;=:@[\]%]/.test(one) || UNESCAPED[mode].test(one))
  if (raw !== '' && valid) return raw
  return plain === '*' && mode === 'path' ? '*' : escape(plain, mode)
}

type Mode = 'path' | 'host' | 'zone' | 'user' | 'fragment'

/** The characters that each part may hold as they are. */
const UNESCAPED: Record<Mode, RegExp> = {
  path: /[A-Za-z0-9\-_.~$&+,/:;=@]/,
  host: /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/,
  zone: /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/,
  user: /[A-Za-z0-9\-_.~$&+,;=]/,
  fragment: /[A-Za-z0-9\-_.~$&+,/:;=?@!()*]/,
}

function escape(text: string, mode: Mode): string {
  return text.replace(/[^A-Za-z0-9]/g, (character) => {
    if (UNESCAPED[mode].test(character)) return character
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
}

function unescape(text: string, mode: Mode): string {
  const inHost = mode === 'host' || mode === 'zone'
  return text.replace(/%[0-9a-fA-F]{2}|[^A-Za-z0-9]/g, (found, offset: number) => {
    if (found.length === 3) {
      const code = Number.parseInt(found.slice(1), 16)
      const plain = String.fromCharCode(code)
      // RFC 3986 has no escaped ASCII in a host; RFC 6874 makes an exception for the percent sign of a zone.
      const refused = mode === 'host' ? code < 0x80 : mode === 'zone' && plain !== ' ' && !UNESCAPED.host.test(plain)
      if (refused && found !== '%25') invalid(`invalid URL escape ${goQuoteBytes(found)}`)
      return plain
    }
    if (found === '%') invalid(`invalid URL escape ${goQuoteBytes(text.slice(offset, offset + 3))}`)
    if (inHost && found < '\u0080' && !UNESCAPED[mode].test(found)) {
      invalid(`invalid character ${goQuoteBytes(found)} in host name`)
    }
    return found
  })
}

import { isUtf8 } from 'node:buffer'
import { refuse } from './errors.ts'

/** `*` and `&` are no PrintableString characters, but Go lets them pass: real CAs use them. */
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?*&]*$/
const NUMERIC = /^[0-9 ]*$/
// oxlint-disable-next-line no-control-regex -- IA5String is all of ASCII
const ASCII = /^[\x00-\x7f]*$/

/** The text of an attribute value, by the rules of crypto/x509's parseASN1String. `what` begins the error text. */
export function asn1String(tag: number, content: Buffer, what: string): string {
  const bad = (name: string): never => refuse(`${what}: invalid ${name}`)
  switch (tag) {
    case 0x0c:
      return isUtf8(content) ? content.toString('utf8') : bad('UTF-8 string')
    case 0x12:
      return matching(NUMERIC, content) ?? bad('NumericString')
    case 0x13:
      return matching(PRINTABLE, content) ?? bad('PrintableString')
    // T61String: Go reads it as Latin-1, as BoringSSL does.
    case 0x14:
      return content.toString('latin1')
    case 0x16:
      return ia5String(content) ?? bad('IA5String')
    case 0x1e:
      return bmpString(content) ?? bad('BMPString')
    default:
      return refuse(`${what}: unsupported string type: ${tag}`)
  }
}

export function ia5String(content: Buffer): string | undefined {
  return matching(ASCII, content)
}

function matching(pattern: RegExp, content: Buffer): string | undefined {
  const text = content.toString('latin1')
  return pattern.test(text) ? text : undefined
}

/** UCS-2 without surrogates and non-characters, less one terminating zero. */
function bmpString(content: Buffer): string | undefined {
  if (content.length % 2 !== 0) return undefined
  let text = ''
  for (let i = 0; i < content.length; i += 2) {
    const unit = content.readUInt16BE(i)
    if (unit === 0 && i === content.length - 2) break
    if (unit >= 0xfffe || (unit >= 0xfdd0 && unit <= 0xfdef) || (unit >= 0xd800 && unit <= 0xdfff)) return undefined
    text += String.fromCharCode(unit)
  }
  return text
}

/** DER of a string as Go's asn1.Marshal chooses it: PrintableString where possible, UTF8String otherwise. */
export function marshalString(text: string): Buffer {
  const content = Buffer.from(text, 'utf8')
  const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)
  return Buffer.concat([Buffer.from([printable ? 0x13 : 0x0c]), derLength(content.length), content])
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const hex = length.toString(16)
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([0x80 | octets.length]), octets])
}

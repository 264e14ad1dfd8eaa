import { asn1String, marshalString } from './asn1-string.ts'
import { DerReader, SEQUENCE, SET } from './der.ts'
import { refuse } from './errors.ts'

/** A distinguished name as Go's pkix.Name holds it. */
export interface Name {
  /** The last CN, even where that is empty. */
  commonName: string
  /** Every O in order, across and within RDNs, duplicates and empty ones too. */
  organization: string[]
  /** All attributes in order, as [dotted oid, value]. */
  names: [oid: string, value: string][]
}

/** `raw` is the Name's SEQUENCE with tag and length. */
export function parseName(raw: Buffer): Name {
  const name: Name = { commonName: '', organization: [], names: [] }
  const sequence = new DerReader(raw).read(SEQUENCE) ?? refuse('x509: invalid RDNSequence')
  while (!sequence.isEmpty) {
    const set = sequence.read(SET) ?? refuse('x509: invalid RDNSequence')
    while (!set.isEmpty) {
      const attribute = set.read(SEQUENCE) ?? refuse('x509: invalid RDNSequence: invalid attribute')
      const oid = attribute.readOid() ?? refuse('x509: invalid RDNSequence: invalid attribute type')
      const value = attribute.readAny() ?? refuse('x509: invalid RDNSequence: invalid attribute value')
      const text = asn1String(value.tag, value.content, 'x509: invalid RDNSequence: invalid attribute value')
      name.names.push([oid, text])
      if (oid === COMMON_NAME) name.commonName = text
      if (oid === ORGANIZATION) name.organization.push(text)
    }
  }
  return name
}

const COMMON_NAME = '2.5.4.3'
const ORGANIZATION = '2.5.4.10'
const SERIAL_NUMBER = '2.5.4.5'

const SHORT_NAMES = new Map([
  ['2.5.4.6', 'C'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.7', 'L'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.17', 'POSTALCODE'],
  [ORGANIZATION, 'O'],
  ['2.5.4.11', 'OU'],
  [COMMON_NAME, 'CN'],
  [SERIAL_NUMBER, 'SERIALNUMBER'],
])

/**
 * Go's pkix.Name.String(): not the RDNs as they stood, but the kinds that Go knows in a fixed order, all values of a kind as
 * one RDN, unknown kinds after them as hex; the whole reversed.
 */
export function nameToString({ names }: Name): string {
  const rdns = names.filter(([oid]) => !SHORT_NAMES.has(oid)).map(([oid, value]) => `${oid}=#${hex(value)}`)
  for (const [oid, short] of SHORT_NAMES) {
    const values = names.filter((attribute) => attribute[0] === oid).map(([, value]) => value)
    const single = oid === COMMON_NAME || oid === SERIAL_NUMBER
    const kept = single ? values.slice(-1).filter((value) => value !== '') : values
    if (kept.length > 0) rdns.push(kept.map((value) => `${short}=${escapeValue(value)}`).join('+'))
  }
  return rdns.toReversed().join(',')
}

const hex = (value: string): string => marshalString(value).toString('hex')

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;]|^[ #]| $/g, (character) => `\\${character}`)
}

import { parseRevocationList } from '../../lib/x509/crl.ts'
import { CertificateParseError } from '../../lib/x509/errors.ts'
import { type Certificate, nameToString, parseChain } from '../../lib/x509/parse.ts'
import { type PemBlock, pemBlocks } from '../../lib/x509/pem.ts'
import { certPool } from '../../lib/x509/pool.ts'
import { GO_KEY_TYPES } from '../../lib/x509/signature.ts'
import { verify, type VerifyOptions } from '../../lib/x509/verify.ts'

/** One question, as both programs read it: DER and PEM in base64, the chain leaf first, the time in RFC 3339. */
export interface Question {
  chain?: string[]
  roots?: string[]
  time?: string
  hosts?: string[]
  crl?: string
  pem?: string
}

export type Answer = Record<string, unknown>

const bytes = (text: string): Buffer => Buffer.from(text, 'base64')

/** What lib/x509 says, in the shape in which test/fidelity/go/x509.go says it. */
export function ourAnswer(question: Question): Answer {
  const { crl, pem, chain } = question
  return {
    ...(crl !== undefined && { crl: revocationList(bytes(crl)) }),
    ...(pem !== undefined && { pem: pemBlocks(bytes(pem)).map(pemBlock) }),
    ...(chain && verdicts({ ...question, chain })),
  }
}

const pemBlock = ({ label, der, hasHeaders }: PemBlock): Answer[string][] => [
  Buffer.from(label, 'latin1').toString('hex'),
  der.toString('hex'),
  hasHeaders,
]

function verdicts({ chain, roots = [], time = '', hosts = [] }: Question & { chain: string[] }): Answer {
  const parsed = parseChain(chain.map(bytes))
  const first = parseChain(chain.slice(0, 1).map(bytes))
  const pool = certPool(roots.map(bytes))
  const verdict = (usage: VerifyOptions['usage'], host?: string): Answer => {
    if (!parsed.ok) return { stage: 'parse', index: parsed.index, type: '*errors.errorString', error: parsed.error }
    const options = {
      roots: pool,
      time: new Date(time),
      zoneMinutes: zoneMinutes(time),
      usage,
      ...(host !== undefined && { host }),
    }
    const result = verify(parsed.chain, options)
    if (result.ok) return { ok: true }
    const { stage, type, reason, error } = result
    return { stage, type, ...(reason && { reason }), error }
  }
  return {
    clientAuth: verdict('clientAuth'),
    serverAuth: verdict('serverAuth'),
    any: verdict('any'),
    hosts: Object.fromEntries(hosts.map((host) => [host, verdict('serverAuth', host)])),
    leaf: first.ok && first.chain[0] ? leaf(first.chain[0]) : null,
    badRoots: badRoots(roots),
  }
}

/** Minutes east of Greenwich of an RFC 3339 time. */
export function zoneMinutes(time: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(time) ?? []
  return (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1)
}

function badRoots(roots: readonly string[]): Record<string, string> {
  const bad = roots.flatMap((root, index) => {
    const parsed = parseChain([bytes(root)])
    return parsed.ok ? [] : [[String(index), parsed.error] as const]
  })
  return Object.fromEntries(bad)
}

function leaf(certificate: Certificate): Answer {
  const { subject, publicKey } = certificate
  return {
    cn: subject.commonName,
    o: subject.organization,
    names: subject.names,
    subject: nameToString(subject),
    issuer: nameToString(certificate.issuer),
    dns: certificate.dnsNames,
    ip: certificate.ipAddresses,
    email: certificate.emails,
    uri: certificate.uris,
    serial: String(certificate.serialNumber),
    version: certificate.version,
    bc: certificate.basicConstraintsValid,
    isCA: certificate.basicConstraintsValid && certificate.isCA,
    maxPathLen: certificate.basicConstraintsValid ? certificate.maxPathLen : 0,
    keyUsage: (certificate.keyUsage ?? []).reduce((sum, usage) => sum + (1 << KEY_USAGE_BITS.indexOf(usage)), 0),
    usages: certificate.extKeyUsage.toSorted(),
    ski: certificate.subjectKeyId.toString('hex'),
    aki: certificate.authorityKeyId.toString('hex'),
    from: certificate.notBeforeText,
    to: certificate.notAfterText,
    algorithm: certificate.signatureAlgorithm?.name ?? '0',
    key: publicKey ? GO_KEY_TYPES[publicKey.kind] : '<nil>',
    unhandled: certificate.hasUnhandledCriticalExtension,
    policies: certificate.policies.length,
    mappings: certificate.policyMappings.length,
  }
}

const KEY_USAGE_BITS = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

function revocationList(der: Buffer): Answer {
  try {
    const { issuer, thisUpdate, revoked, number, authorityKeyId } = parseRevocationList(der)
    return {
      issuer: nameToString(issuer),
      from: seconds(thisUpdate),
      serials: revoked.map((entry) => [String(entry.serialNumber), seconds(entry.revocationTime), entry.reasonCode]),
      number: number === undefined ? '<nil>' : String(number),
      aki: authorityKeyId.toString('hex'),
    }
  } catch (error) {
    if (error instanceof CertificateParseError) return { error: error.message }
    throw error
  }
}

const seconds = (date: Date): number => date.getTime() / 1000

/** Replays the recorded verdicts of Go, field by field (test/fidelity/x509/README.md). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { answerToClientChain, answerToServerChain, type HandshakeAnswer } from '../../../lib/x509/handshake-answer.ts'
import { nameToString, parseChain } from '../../../lib/x509/parse.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { verify, type VerifyOptions } from '../../../lib/x509/verify.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { zoneMinutes } from '../../fuzz/x509-answer.ts'

type Answer = Record<string, unknown>

interface Case {
  id: string
  family: string
  what: string
  chain: string[]
  roots: string[]
  badRoots?: Record<string, string>
  time: string
  clientAuth: Answer
  serverAuth: Answer
  any: Answer
  hosts?: Record<string, Answer>
  leaf: (Record<string, string | string[]> & { names?: [string, string][] }) | null
  tls: Record<string, Answer> & { server13?: Answer & { name: string } }
}

interface Recorded {
  meta: { count: number; families: Record<string, number>; noClientCertificate: Record<string, { alert: number }> }
  cases: Case[]
}

const recorded: Recorded = JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/x509/cases.json'), 'utf8'))

const ders = (texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'base64'))

/** Go answers with the first element that does not parse, or else with what Verify says. */
function verdict({ chain, roots, time }: Case, usage: VerifyOptions['usage'], host?: string): Answer {
  const parsed = parseChain(ders(chain))
  if (!parsed.ok) return { stage: 'parse', index: parsed.index, type: '*errors.errorString', error: parsed.error }
  const asked = host === undefined ? {} : { host }
  const options = {
    roots: certPool(ders(roots)),
    time: new Date(time),
    zoneMinutes: zoneMinutes(time),
    usage,
    ...asked,
  }
  const result = verify(parsed.chain, options)
  if (result.ok) return { ok: true }
  const { stage, type, reason, error } = result
  return { stage, type, ...(reason && { reason }), error }
}

function leaf({ chain, leaf: wanted }: Case): Answer | null {
  const parsed = parseChain(ders(chain.slice(0, 1)))
  const certificate = parsed.ok ? parsed.chain[0] : undefined
  if (certificate === undefined) return null
  const { subject, dnsNames, ipAddresses, uris, emails, serialNumber } = certificate
  return {
    cn: subject.commonName,
    o: subject.organization,
    dns: dnsNames,
    ip: ipAddresses,
    uri: uris,
    email: emails,
    serial: String(serialNumber),
    subject: nameToString(subject),
    ...(wanted?.names && { names: subject.names }),
  }
}

/** Alerts that only the proof of possession brings: everything before it passes. */
const PROOF_OF_POSSESSION = [47, 51]

function handshakeAnswer(answer: HandshakeAnswer, { alert }: Answer): Answer {
  if (answer.ok) return PROOF_OF_POSSESSION.includes(Number(alert)) ? { alert } : { ok: true }
  return { alert: answer.alert, error: answer.error }
}

function handshakes({ chain, roots, time, tls }: Case): Answer {
  const options = { roots: certPool(ders(roots)), time: new Date(time), zoneMinutes: zoneMinutes(time) }
  const answers: Answer = {}
  for (const mode of ['request', 'require'] as const) {
    for (const [version, digits] of [
      ['TLSv1.2', '12'],
      ['TLSv1.3', '13'],
    ] as const) {
      const answer = answerToClientChain(ders(chain), { ...options, mode, version })
      answers[mode + digits] = handshakeAnswer(answer, tls[mode + digits] ?? {})
    }
  }
  if (tls.server13) {
    const { name } = tls.server13
    answers['server13'] = handshakeAnswer(answerToServerChain(ders(chain), { ...options, host: name }), tls.server13)
  }
  return answers
}

/** The recorded handshakes without what the number says already, and without texts that follow the proof of possession. */
function recordedHandshakes({ tls }: Case): Answer {
  const answers: Answer = {}
  for (const [name, { ok, alert, error }] of Object.entries(tls)) {
    const proof = PROOF_OF_POSSESSION.includes(Number(alert))
    answers[name] = ok ? { ok } : { alert, ...(!proof && { error }) }
  }
  return answers
}

function badRoots({ roots }: Case): Record<string, string> {
  const bad = ders(roots).flatMap((der, index) => {
    const parsed = parseChain([der])
    return parsed.ok ? [] : [[String(index), parsed.error] as const]
  })
  return Object.fromEntries(bad)
}

function answersOfOurs(row: Case): Answer {
  const hosts = Object.keys(row.hosts ?? {}).map((host) => [host, verdict(row, 'serverAuth', host)] as const)
  return {
    clientAuth: verdict(row, 'clientAuth'),
    serverAuth: verdict(row, 'serverAuth'),
    any: verdict(row, 'any'),
    hosts: Object.fromEntries(hosts),
    leaf: leaf(row),
    badRoots: badRoots(row),
    tls: handshakes(row),
  }
}

for (const [family, count] of Object.entries(recorded.meta.families)) {
  t.test(`family ${family}: every recorded verdict of Go`, async (t) => {
    const cases = recorded.cases.filter((row) => row.family === family)
    t.equal(cases.length, count, 'all cases are there')
    for (const row of cases) {
      const { id, what, clientAuth, serverAuth, any, hosts = {}, leaf, badRoots = {} } = row
      const wanted = { clientAuth, serverAuth, any, hosts, leaf, badRoots, tls: recordedHandshakes(row) }
      t.strictSame(answersOfOurs(row), wanted, `${id}: ${what}`)
    }
  })
}

/**
 * The `tls` fields of fidelity/x509/cases.json, over real sockets: a Go client shows each chain to our listener, at TLS 1.2
 * and 1.3, where a certificate is required and where it is only asked for. Needs Go on PATH; says so loudly without.
 */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { goAlertText } from '../../../lib/tls/alerts.ts'
import { answerToClientChain } from '../../../lib/x509/handshake-answer.ts'
import { certPool, type CertPool } from '../../../lib/x509/pool.ts'
import { GO_VERSION, goVersionOnPath } from '../../fuzz/go-verifier.ts'
import { authority, listen } from '../../lib/tls/tls-world.ts'
import { goProgram } from './go-program.ts'

interface Verdict {
  ok?: true
  alert?: number
  error?: string
}

interface Case {
  id: string
  chain: string[]
  roots: string[]
  time: string
  key: string
  tls: Record<'require12' | 'require13' | 'request12' | 'request13', Verdict>
}

const read = (path: string): unknown => JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity', path), 'utf8'))

const KEY = 'refused by both; OpenSSL stumbles over the key first, with an alert of its own'
const UNREADABLE = 'OpenSSL cannot read what Go reads over: refused in the handshake, where Go lets it in'
const REWRITTEN = 'Node shows a certificate as OpenSSL writes it, so that a length written oddly is not seen'

/** Cases that do not agree, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'key-rsa-zero-modulus': KEY,
  'key-rsa-negative-modulus': KEY,
  'key-rsa-zero-exponent': KEY,
  'key-rsa-pss-oid': KEY,
  'key-ec-compressed': KEY,
  'key-ec-off-curve': KEY,
  'key-ec-infinity': KEY,
  'key-ec-short': KEY,
  'key-ec-no-curve': KEY,
  'key-ec-explicit': KEY,
  'key-ec-wrong-curve': KEY,
  'key-ed448': KEY,
  'key-unknown-algorithm': KEY,
  'key-dsa': KEY,
  'key-spki-unused-bits': KEY,
  'ext-second-list': UNREADABLE,
  'der-fourth-element': UNREADABLE,
  'der-tbs-tail': UNREADABLE,
  'der-unique-ids-swapped': UNREADABLE,
  'subject-attribute-third': UNREADABLE,
  'der-indefinite': REWRITTEN,
  'der-long-length': REWRITTEN,
  'der-length-5-bytes': REWRITTEN,
  'der-high-tag': REWRITTEN,
}

const version = goVersionOnPath()
const isGoThere = version?.startsWith(GO_VERSION) ?? false

t.setTimeout(180_000)

t.test(
  'cases.json: every chain gets the alert that Go gives it',
  { skip: isGoThere ? false : `SKIPPED: needs ${GO_VERSION} on PATH` },
  async (t) => {
    const { cases } = read('x509/cases.json') as { cases: Case[] }
    const keys = read('tls/x509-keys.json') as Record<string, string>
    const client = goProgram<ClientAnswer>('tlsclient')
    t.teardown(() => client.close())
    const serving = await (await authority()).server()
    let current: { roots: CertPool; time: Date; chain: string[] } | undefined
    const common = { keyPair: () => serving } as const
    const request = await listen({ ...common, clientCertificates: { mode: 'request' } })
    const required = await listen({
      ...common,
      clientCertificates: {
        mode: 'require',
        verify: ({ peerChain }) => {
          const answer = answerToClientChain(peerChain, { mode: 'require', version: 'TLSv1.3', ...current! })
          return answer.ok ? undefined : { alert: answer.alert, code: answer.code, text: answer.error }
        },
      },
    })
    t.teardown(() => Promise.all([request.close(), required.close()]))
    let asked = 0
    const differences = new Map<string, string[]>()
    for (const { id, chain, roots, time, key, tls } of cases) {
      const secret = keys[key]
      if (secret === undefined) continue
      current = { roots: certPool(roots.map((der) => Buffer.from(der, 'base64'))), time: new Date(time), chain }
      for (const [name, verdict] of Object.entries(tls)) {
        const listener = name.startsWith('require') ? required : request
        if (!name.startsWith('re')) continue
        const number = name.endsWith('13') ? 0x0304 : 0x0303
        const answer = await client.ask({ port: listener.port, version: number, chain, key: secret })
        if (answer.skipped) continue
        asked++
        const wanted = verdict.ok ? '' : `remote error: tls: ${goAlertText(verdict.alert!)}`
        if (answer.error === wanted) continue
        const difference = `${name}: ${answer.error || 'let in'}, Go: ${wanted || 'let in'}`
        differences.set(id, [...(differences.get(id) ?? []), difference])
      }
    }
    for (const [id, list] of differences) if (!(id in EXCEPTIONS)) t.strictSame(list, [], id)
    for (const [id, why] of Object.entries(EXCEPTIONS)) t.ok(differences.has(id), `${id} differs: ${why}`)
    t.ok(asked > 1800, `${asked} handshakes`)
    t.comment(`${asked} handshakes, ${[...differences.values()].flat().length} differ, in ${differences.size} cases`)
  },
)

interface ClientAnswer {
  error?: string
  skipped?: true
}

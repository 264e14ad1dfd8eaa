/**
 * The `server13` fields of fidelity/x509/cases.json, over real sockets: our dialling side meets each chain at a Go server, at TLS
 * 1.3 as recorded and at 1.2, where crypto/tls verifies and answers by the same code. Needs Go on PATH; says so loudly without.
 */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { goAlertText } from '../../../lib/tls/alerts.ts'
import { dialTls } from '../../../lib/tls/dial.ts'
import { refusalOf, type Refusal } from '../../../lib/tls/refusal.ts'
import { GO_VERSION, goVersionOnPath } from '../../fuzz/go-verifier.ts'
import { ADDRESS, only, VERSIONS } from '../../lib/tls/tls-world.ts'
import { goProgram } from './go-program.ts'

interface Case {
  id: string
  chain: string[]
  roots: string[]
  time: string
  key: string
  tls: { server13?: { name: string; ok?: true; alert?: number; error?: string } }
}

interface Said {
  port?: number
  error?: string
}

const read = (path: string): unknown => JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity', path), 'utf8'))
const NUMBERS = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 } as const

/** Cases that do not agree, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'san-dns-constructed':
    'at TLS 1.2 OpenSSL asks first what an ECDSA certificate is for, and of one that it cannot read it says: for nothing',
}

const isGoThere = goVersionOnPath()?.startsWith(GO_VERSION) ?? false

t.setTimeout(120_000)

t.test(
  'cases.json: what a Go client says of a server, to its caller and on the wire',
  { skip: isGoThere ? false : `SKIPPED: needs ${GO_VERSION} on PATH` },
  async (t) => {
    const { cases } = read('x509/cases.json') as { cases: Case[] }
    const keys = read('tls/x509-keys.json') as Record<string, string>
    const server = goProgram<Said>('tlsserver')
    t.teardown(() => server.close())
    const { port = 0 } = await server.hear()
    const differing = new Set<string>()
    let dialled = 0
    for (const { id, chain, roots, time, key, tls } of cases) {
      const { server13: recorded } = tls
      if (recorded === undefined) continue
      const caPem = roots.map((der) => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`).join('')
      for (const version of VERSIONS) {
        const ended = server.ask({ version: NUMBERS[version], chain, key: keys[key] })
        const where = { address: ADDRESS, port, serverName: recorded.name, caPem, policy: only(version) }
        const refusal = await dialTls({ ...where, now: () => new Date(time) }).then(
          (socket): undefined => void socket.end('hello'),
          (error: unknown): Refusal => refusalOf(error),
        )
        dialled++
        const ours = { error: refusal?.message ?? '', heard: (await ended).error }
        const { alert, error = '' } = recorded
        const wanted = { error, heard: alert === undefined ? '' : `remote error: tls: ${goAlertText(alert)}` }
        if (ours.error === wanted.error && ours.heard === wanted.heard) continue
        differing.add(id)
        if (!(id in EXCEPTIONS)) t.strictSame(ours, wanted, `${id} at ${version}`)
      }
    }
    for (const [id, why] of Object.entries(EXCEPTIONS)) t.ok(differing.has(id), `${id} differs: ${why}`)
    t.equal(dialled, 2 * 59)
  },
)

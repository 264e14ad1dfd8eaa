/** What Go says of the odder chains, of revocation lists and of PEM (test/fidelity/x509/edges.json), and of order. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { parseRevocationList } from '../../../lib/x509/crl.ts'
import { goQuote, goQuoteBytes } from '../../../lib/x509/go-quote.ts'
import { hostnameProblem } from '../../../lib/x509/hostname.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { patternDefeatingSort } from '../../../lib/x509/pattern-defeating-sort.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { verify } from '../../../lib/x509/verify.ts'
import { type Answer, ourAnswer, type Question } from '../../fuzz/x509-answer.ts'

const fidelity = (file: string): string => readFileSync(join(packageRoot(), 'test/fidelity/x509', file), 'utf8')

const pem = (bytes: Buffer, label = 'CERTIFICATE'): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64')}\n-----END ${label}-----\n`

const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `h${i}`)

t.test('edges: the same answers as Go, field by field', async (t) => {
  const edges: { question: Question; answer: Answer }[] = JSON.parse(fidelity('edges.json'))
  t.ok(edges.length >= 120, 'the edges are there')
  for (const { question, answer } of edges) {
    const says = JSON.stringify(answer['crl'] ?? answer['pem'] ?? answer['any'])
    t.strictSame(ourAnswer(question), answer, says.slice(0, 100))
  }
})

t.test('a revocation list that is none is answered with Go’s text', async (t) => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('hello'), Buffer.from('-----BEGIN X509 CRL-----\n')]) {
    t.throws(() => parseRevocationList(bytes), { name: 'CertificateParseError', message: 'x509: malformed crl' })
  }
})

/** 7 patterns of 400 lengths each, made and sorted by Go 1.26.8's slices.SortFunc; the digest is over the order of equals. */
t.test('sorting leaves equal elements as Go leaves them', async (t) => {
  const digest = createHash('sha256')
  let state = 1
  for (let pattern = 0; pattern < 7; pattern++) {
    for (let length = 0; length < 400; length++) {
      const list = Array.from({ length }, (_, i) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const random = state >>> 16
        const keys = [random, random % 3, i, length - i, i % 7, Math.min(i, length - i), random % (length + 1)]
        return { key: keys[pattern] ?? 0, place: i }
      })
      patternDefeatingSort(list, (a, b) => a.key - b.key)
      digest.update(list.map(({ place }) => `${place},`).join(''))
    }
  }
  t.equal(digest.digest('hex'), 'b8dd4767df858f5bb4afc6c8a71137d83aef1b31a43d5fef56adc7046b70e803')
})

t.test('texts are quoted as %q quotes them', async (t) => {
  t.equal(
    goQuote('e\u0301 \u2028\u0378\u{323b0}\u{1faef}'),
    '"e\u0301 \\u2028\\u0378\\U000323b0\\U0001faef"',
    'Unicode 15.0, whatever Node knows',
  )
  t.equal(
    goQuote('a"b\\c\u0007\n\u007f\u00a0\u200b\ufeffé😀\u{e0001}'),
    '"a\\"b\\\\c\\a\\n\\x7f\\u00a0\\u200b\\ufeffé😀\\U000e0001"',
  )
  t.equal(goQuoteBytes('\u00c3\u00a9\u00ff\u00e2\u0082'), '"é\\xff\\xe2\\x82"')
})

t.test('a chain without a leaf is a mistake of the caller, not a verdict', async (t) => {
  const roots = certPool([])
  t.throws(() => verify([], { roots, time: new Date(), usage: 'any' }), {
    message: /^\[x509_no_leaf\] chain: needs a leaf/,
  })
})

t.test('what does not parse is left out of a pool, repeats are dropped, the order is kept', async (t) => {
  const { cases }: { cases: { id: string; roots: string[]; chain: string[] }[] } = JSON.parse(fidelity('cases.json'))
  const der = (id: string): Buffer => Buffer.from(cases.find((row) => row.id === id)?.roots[0] ?? '', 'base64')
  const good = der('profile-kubelet-serving')
  const text = `${pem(good)}${pem(Buffer.from('hello'))}${pem(good, 'TRUSTED CERTIFICATE')}\n${pem(good)}`
  t.strictSame(
    certPool(text).certificates.map(({ raw }) => raw.toString('base64')),
    [good.toString('base64')],
  )
  t.equal(certificatesFromPem(text).length, 3)
  const headers = pem(good).replace('-----\n', '-----\nkey: value\n\n')
  t.equal(certPool(headers).certificates.length, 0, 'AppendCertsFromPEM skips blocks with headers')
  t.equal(certificatesFromPem(headers).length, 1, 'a key pair’s chain does not')
})

t.test('long lists of names are counted, not printed', async (t) => {
  const { cases }: { cases: { id: string; chain: string[] }[] } = JSON.parse(fidelity('cases.json'))
  const leaf = parseCertificate(
    Buffer.from(cases.find((row) => row.id === 'profile-kubelet-serving')?.chain[0] ?? '', 'base64'),
  )
  t.equal(
    hostnameProblem({ ...leaf, dnsNames: many(100) }, 'x'),
    'x509: certificate is valid for 100 names, but none matched x',
  )
  t.match(hostnameProblem({ ...leaf, dnsNames: many(99) }, 'x'), /h98, not x$/)
  t.equal(
    hostnameProblem({ ...leaf, ipAddresses: many(100), rawIpAddresses: [] }, '::1'),
    'x509: certificate is valid for 100 IP SANs, but none matched ::1',
  )
})

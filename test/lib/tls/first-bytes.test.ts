/** What a connection begins with: read as Go reads it, and ended with Go's alerts and words (crypto/tls, Go 1.26). */
import t from 'tap'
import { ALERTS } from '../../../lib/tls/alerts.ts'
import { answerHello, type HelloTerms } from '../../../lib/tls/answer-hello.ts'
import { readClientHello } from '../../../lib/tls/client-hello.ts'
import { readFirstBytes } from '../../../lib/tls/hello-reader.ts'
import { GO_DEFAULT_POLICY, type TlsPolicy } from '../../../lib/tls/policy.ts'
import {
  ALPN,
  GROUPS,
  helloBody,
  helloRecord,
  message,
  POINTS,
  record,
  SIGNATURES,
  SNI,
  uint16,
  vector,
  VERSIONS_OFFERED,
  type HelloParts,
} from './hello-bytes.ts'

const fault = (alert: number | undefined, text: string) => ({
  kind: 'fault',
  ...(alert === undefined ? {} : { alert }),
  text,
})

t.test('a hello is found in any number of records and pieces', async (t) => {
  const whole = helloRecord({ extensions: [SNI('etcd-1.test')] })
  t.match(readFirstBytes(whole), { kind: 'hello', hello: { serverName: 'etcd-1.test', alpn: [] } })
  const body = message(1, helloBody({ extensions: [SNI('etcd-1.test')] }))
  const split = Buffer.concat([
    record(22, body.subarray(0, 3)),
    record(22, body.subarray(3, 90)),
    record(22, body.subarray(90)),
  ])
  t.match(readFirstBytes(split), { kind: 'hello', hello: { serverName: 'etcd-1.test' } })
  for (let length = 0; length < split.length; length++) {
    const first = readFirstBytes(split.subarray(0, length))
    if (first.kind !== 'more' || first.atLeast <= length || first.atLeast > split.length) {
      t.fail(`after ${length} bytes: ${JSON.stringify(first)}`)
    }
  }
  t.match(
    readFirstBytes(Buffer.concat([record(21, Buffer.from([1, 90])), whole])),
    { kind: 'hello' },
    'after a warning',
  )
})

t.test('what is no hello ends with the words of crypto/tls', async (t) => {
  const rows: [what: string, bytes: Buffer, end: object][] = [
    [
      'plain HTTP',
      Buffer.from('GET / HTTP/1.1'),
      fault(undefined, 'tls: first record does not look like a TLS handshake'),
    ],
    ['an SSLv2 hello', Buffer.from('802e0100020015', 'hex'), fault(70, 'tls: unsupported SSLv2 handshake received')],
    [
      'version 16',
      record(22, Buffer.alloc(9), 0x1000),
      fault(undefined, 'tls: first record does not look like a TLS handshake'),
    ],
    [
      'application data',
      record(23, Buffer.alloc(9)),
      fault(undefined, 'tls: first record does not look like a TLS handshake'),
    ],
    [
      'a record too long',
      Buffer.from('160301ffff', 'hex'),
      fault(22, 'tls: oversized record received with length 65535'),
    ],
    [
      'a record full beyond plaintext',
      record(22, Buffer.alloc(16_385)),
      fault(22, 'local error: tls: record overflow'),
    ],
    ['another message', record(22, message(2, Buffer.alloc(4))), fault(10, 'local error: tls: unexpected message')],
    [
      'a message too long',
      record(22, Buffer.from('01010001', 'hex')),
      fault(80, 'tls: handshake message of length 65537 bytes exceeds maximum of 65536 bytes'),
    ],
    [
      'a hello cut short',
      record(22, message(1, helloBody().subarray(0, 60))),
      fault(50, 'local error: tls: error decoding message'),
    ],
    [
      'a fatal alert',
      record(21, Buffer.from([2, 48])),
      { ...fault(undefined, 'remote error: tls: unknown certificate authority'), refusedBy: 'them' },
    ],
    ['close_notify', record(21, Buffer.from([1, 0])), { ...fault(undefined, 'EOF'), refusedBy: 'them' }],
    ['an alert of another length', record(21, Buffer.from([2])), fault(10, 'local error: tls: unexpected message')],
    [
      'too many warnings',
      Buffer.concat(Array.from({ length: 17 }, () => record(21, Buffer.from([1, 90])))),
      fault(10, 'tls: too many ignored records'),
    ],
    [
      'too much of nothing',
      Buffer.concat(Array.from({ length: 17 }, () => record(22, Buffer.alloc(0)))),
      fault(10, 'tls: too many ignored records'),
    ],
  ]
  for (const [what, bytes, end] of rows) t.match(readFirstBytes(bytes), end, what)
})

t.test('what does not decode', async (t) => {
  const bent: [what: string, extension: readonly [number, Buffer]][] = [
    ['an empty list of names', [0, vector(2, Buffer.alloc(0))]],
    ['a name with a dot at its end', SNI('etcd-1.')],
    ['an odd list of groups', [10, vector(2, Buffer.alloc(3))]],
    ['no groups', [10, vector(2, Buffer.alloc(0))]],
    ['a byte behind the groups', [10, Buffer.concat([vector(2, uint16(29)), Buffer.alloc(1)])]],
    ['an empty protocol', [16, vector(2, Buffer.alloc(1))]],
    ['no versions', [43, Buffer.from([0])]],
    ['an empty key share', [51, vector(2, Buffer.from('001d0000', 'hex'))]],
    ['something in extended_master_secret', [23, Buffer.alloc(1)]],
    ['an empty cookie', [44, vector(2, Buffer.alloc(0))]],
  ]
  for (const [what, extension] of bent)
    t.equal(readClientHello(helloBody({ extensions: [extension] })), undefined, what)
  const twice = helloBody({
    extensions: [
      [5555, Buffer.alloc(0)],
      [5555, Buffer.alloc(0)],
    ],
  })
  t.equal(readClientHello(twice), undefined, 'an extension twice')
  const early = helloBody({
    extensions: [
      [41, Buffer.from('000b00052222222222000000000021201111', 'hex')],
      [5555, Buffer.alloc(0)],
    ],
  })
  t.equal(readClientHello(early), undefined, 'pre-shared keys that do not stand last')
  t.equal(readClientHello(Buffer.concat([helloBody(), Buffer.alloc(1)])), undefined, 'a byte behind it all')
  const bare = helloBody()
  const extensionsAt = 2 + 32 + 1 + 2 + 6 + 2
  t.match(readClientHello(bare.subarray(0, extensionsAt)), { groups: [], alpn: [] }, 'no extensions at all is fine')
})

/** The answer to a good hello with these parts other, on these terms. */
function answer(parts: Partial<HelloParts>, terms: Partial<HelloTerms> = {}) {
  const hello = readClientHello(helloBody(parts))!
  return answerHello(hello, { policy: GO_DEFAULT_POLICY, alpn: [], servingKey: () => 'P-256', ...terms })
}

const TLS12 = VERSIONS_OFFERED(0x0303)
const OLD = { policy: { minVersion: 'TLSv1', maxVersion: 'TLSv1.3' } as TlsPolicy }

t.test('versions', async (t) => {
  t.match(answer({}), { ok: true, version: 0x0304 })
  t.match(answer({ extensions: [TLS12] }), { ok: true, version: 0x0303 })
  t.match(
    answer({ extensions: [VERSIONS_OFFERED(0x0a0a, 0x0303, 0x0304)] }),
    { ok: true, version: 0x0304 },
    'the highest',
  )
  const refused = (text: string) => ({
    ok: false,
    alert: 70,
    text: `tls: client offered only unsupported versions: ${text}`,
  })
  t.match(answer({ extensions: [VERSIONS_OFFERED(0x0302, 0x0301)] }), refused('[302 301]'))
  const unnamed = readClientHello(Buffer.concat([Buffer.from([3, 2]), helloBody().subarray(2, 45)]))!
  t.match(
    answerHello(
      { ...unnamed, supportedVersions: [] },
      { policy: GO_DEFAULT_POLICY, alpn: [], servingKey: () => 'RSA' },
    ),
    refused('[302 301]'),
  )
  t.match(
    answer({ extensions: [TLS12] }, { policy: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } }),
    refused('[303]'),
  )
  t.match(answer({}, { policy: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } }), { ok: true, version: 0x0303 })
  t.match(answer({ suites: [0xc009, 0xc013], extensions: [VERSIONS_OFFERED(0x0301)] }, OLD), {
    ok: true,
    version: 0x0301,
  })
})

t.test('suites go with the key, the curve and the version', async (t) => {
  const none = (offer: string) => ({
    ok: false,
    alert: 40,
    text: `tls: no cipher suite supported by both client and server; client offered: [${offer}]`,
  })
  t.match(answer({ suites: [0x1304, 0xff] }), none('1304 ff'))
  t.match(answer({ suites: [0xc027], extensions: [TLS12] }), none('c027'), 'off by default')
  t.match(answer({ suites: [0x9c], extensions: [TLS12] }, { servingKey: () => 'RSA' }), none('9c'), 'static RSA too')
  const named = { policy: { ...GO_DEFAULT_POLICY, cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'] } }
  t.match(
    answer({ suites: [0x9c], extensions: [TLS12] }, { ...named, servingKey: () => 'RSA' }),
    { ok: true },
    'unless named',
  )
  t.match(answer({ suites: [0x9c], extensions: [TLS12] }, named), none('9c'), 'and with an RSA key')
  t.match(answer({ suites: [0x1301] }, named), { ok: true }, 'TLS 1.3 suites are out of reach')
  t.match(answer({ suites: [0xc02f], extensions: [TLS12] }), none('c02f'), 'RSA suites, ECDSA key')
  t.match(answer({ suites: [0xc02b], extensions: [TLS12] }, { servingKey: () => 'RSA' }), none('c02b'))
  t.match(answer({ suites: [0xc02b], extensions: [TLS12, GROUPS(30)] }), none('c02b'), 'no curve in common')
  t.match(answer({ suites: [0xc02b], extensions: [VERSIONS_OFFERED(0x0302)] }, OLD), none('c02b'), 'GCM below TLS 1.2')
})

t.test('groups, signatures and the rest', async (t) => {
  const refused = (alert: keyof typeof ALERTS, text: string) => ({ ok: false, alert: ALERTS[alert], text })
  const exchanges = refused('handshake_failure', 'tls: no key exchanges supported by both client and server')
  t.match(answer({ extensions: [GROUPS(30, 256)] }), exchanges)
  t.match(
    answer({ extensions: [GROUPS(24)] }, { policy: { ...GO_DEFAULT_POLICY, curvePreferences: ['P-256'] } }),
    exchanges,
  )
  const signatures = refused(
    'handshake_failure',
    `tls: peer doesn't support any of the certificate's signature algorithms`,
  )
  t.match(answer({ extensions: [SIGNATURES(0x0804)] }), signatures)
  t.match(
    answer({ extensions: [SIGNATURES(0x0401)] }, { servingKey: () => 'RSA' }),
    signatures,
    'TLS 1.3 wants RSA-PSS',
  )
  t.match(
    answer({ extensions: [TLS12, SIGNATURES(0x0401)] }, { servingKey: () => 'RSA' }),
    { ok: true },
    'TLS 1.2 does not',
  )
  t.match(
    answer({ extensions: [TLS12, SIGNATURES(0x0201, 0x0203)] }, { servingKey: () => 'RSA' }),
    signatures,
    'nor SHA-1',
  )
  t.match(answer({ extensions: [SIGNATURES(0x0503)] }), signatures, 'another curve at TLS 1.3')
  t.match(answer({ extensions: [TLS12, SIGNATURES(0x0503)] }), { ok: true }, 'no curve is named at TLS 1.2')
  t.match(
    answer({}, { servingKey: () => 'P-224' }),
    refused('handshake_failure', 'tls: unsupported certificate curve (P-224)'),
  )
  t.match(
    answer({ compression: [1], extensions: [TLS12] }),
    refused('illegal_parameter', 'tls: client does not support uncompressed connections'),
  )
  t.match(
    answer({ compression: [1, 0] }),
    refused('illegal_parameter', 'tls: TLS 1.3 client supports illegal compression methods'),
  )
  for (const extensions of [[TLS12], []]) {
    const renegotiates = [...extensions, [0xff01, vector(1, Buffer.alloc(12))] as const]
    t.match(
      answer({ extensions: renegotiates }),
      refused('handshake_failure', 'tls: initial handshake had non-empty renegotiation extension'),
    )
  }
  t.match(
    answer({ extensions: [[42, Buffer.alloc(0)]] }),
    refused('unsupported_extension', 'tls: client sent unexpected early data'),
  )
  t.match(
    answer({ extensions: [[57, Buffer.alloc(3)]] }),
    refused('unsupported_extension', 'tls: client sent an unexpected quic_transport_parameters extension'),
  )
  t.match(
    answer({ extensions: [TLS12, POINTS(1)] }),
    refused('missing_extension', 'tls: client offered only incompatible point formats'),
  )
  const fallback = refused('inappropriate_fallback', 'tls: client using inappropriate protocol fallback')
  t.match(answer({ suites: [0xc02b, 0x5600], extensions: [TLS12] }), fallback)
  t.match(answer({ suites: [0x1301, 0x5600] }), { ok: true }, 'a fallback to the highest is none')
})

t.test('protocols and key pairs', async (t) => {
  const both = { alpn: ['h2', 'http/1.1'] }
  t.match(answer({ extensions: [ALPN('http/1.1', 'h2')] }, both), { ok: true, alpn: 'h2' })
  t.match(answer({ extensions: [ALPN('http/1.1')] }, { alpn: ['h2'] }), { ok: true, alpn: undefined }, 'Go issue 46310')
  t.match(answer({}, both), { ok: true, alpn: undefined })
  t.match(answer({ extensions: [ALPN('x')] }), { ok: true, alpn: undefined }, 'where none is spoken, none is refused')
  for (const extensions of [[TLS12], []]) {
    t.match(answer({ extensions: [...extensions, ALPN('foo/9', 'a"\xff')] }, both), {
      ok: false,
      alert: 120,
      text: 'tls: client requested unsupported application protocols (["foo/9" "a\\"\\xff"])',
    })
    t.match(answer({ extensions }, { servingKey: () => undefined }), {
      ok: false,
      alert: 80,
      text: 'tls: no certificates configured',
    })
    const failing = (): never => {
      throw new Error('no serving certificate available for the kubelet')
    }
    t.match(answer({ extensions }, { servingKey: failing }), {
      alert: 80,
      text: 'no serving certificate available for the kubelet',
    })
  }
})

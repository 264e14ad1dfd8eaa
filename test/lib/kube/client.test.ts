/** The client of the API, against a small server of the tests' own; and kubeconfigs in clientcmd's words. */
import t from 'tap'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KubeClient, StatusError, type Exchange, type KubeClientOptions } from '../../../lib/kube/client.ts'
import { parseKubeconfig, readKubeconfig } from '../../../lib/kube/kubeconfig.ts'
import { listenTls, type Listener } from '../../../lib/tls/listen.ts'
import { GO_DEFAULT_POLICY } from '../../../lib/tls/policy.ts'
import { Refusal } from '../../../lib/tls/refusal.ts'
import { issue } from '../../../lib/x509/issue.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
const ca = await issue({ commonName: 'kubernetes', isCa: true, ...validity })
const otherCa = await issue({ commonName: 'other', isCa: true, ...validity })
const leaf = (commonName: string): ReturnType<typeof issue> =>
  issue({ commonName, usages: ['clientAuth', 'serverAuth'], ipAddresses: ['127.0.0.1'], ...validity }, ca)
const serverPair = await leaf('server')

type Handler = (request: IncomingMessage, response: ServerResponse, clientName: string) => void

/** A TLS server; with `refuse` it answers each client certificate with an alert. */
async function serve(handler: Handler, refuse = false): Promise<Listener> {
  const names = new WeakMap<object, string>()
  const http = createServer((request, response) => handler(request, response, names.get(request.socket) ?? ''))
  const listener = await listenTls({
    address: '127.0.0.1',
    port: 0,
    policy: GO_DEFAULT_POLICY,
    keyPair: () => ({ cert: serverPair.certificate, key: serverPair.privateKey }),
    clientCertificates: refuse
      ? {
          mode: 'require',
          verify: () => ({ alert: 48, code: 'unknown_ca', text: 'tls: unknown certificate authority' }),
        }
      : { mode: 'request' },
    alpn: ['http/1.1'],
    plainHttp: 'http-400',
    onConnection: (socket, { peerChain }) => {
      if (peerChain[0]) names.set(socket, parseCertificate(peerChain[0]).subject.commonName)
      http.emit('connection', socket)
    },
  })
  t.teardown(() => listener.close())
  return listener
}

function client(
  listener: Listener,
  user: object = {},
  options: Partial<KubeClientOptions> = {},
  caPem = ca.certificate,
): KubeClient {
  const kubeconfig = {
    cluster: {
      server: `https://127.0.0.1:${listener.port}`,
      certificateAuthorityData: caPem,
      insecureSkipTlsVerify: false,
    },
    user,
  }
  const made = new KubeClient({ kubeconfig, ...options })
  t.teardown(() => made.close())
  return made
}

const rejected = async (
  promise: Promise<unknown>,
): Promise<Error & Partial<Pick<Refusal, 'layer' | 'code'>> & { status?: number }> =>
  promise.then(
    () => new Error('nothing was refused'),
    (error: Error) => error,
  )

t.test('a request carries JSON both ways and says which connection carried it', async (t) => {
  const seen: Exchange[] = []
  const bytes: string[] = []
  const listener = await serve((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString()))
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json')
      response.end(
        JSON.stringify({
          method: request.method,
          type: request.headers['content-type'],
          body,
          from: request.socket.remotePort,
        }),
      )
    })
  })
  const api = client(
    listener,
    {},
    { onExchange: (exchange) => seen.push(exchange), onBytes: (text) => bytes.push(text) },
  )
  const answer = (await api.create('/api/v1/namespaces', { kind: 'Namespace' })) as unknown as Record<string, unknown>
  t.match(answer, { method: 'POST', type: 'application/json', body: '{"kind":"Namespace"}' })
  t.match(seen, [{ method: 'POST', path: '/api/v1/namespaces', status: 200, remote: `127.0.0.1:${listener.port}` }])
  t.equal(seen[0]?.local, `127.0.0.1:${String(answer['from'])}`)
  t.ok(bytes.includes('{"kind":"Namespace"}'), 'what was sent is told')
  await api.patch('/x', { a: 1 })
  t.equal(seen[1]?.local, seen[0]?.local, 'the connection is kept')
})

t.test('requests do not wait for one another', async (t) => {
  const held: ServerResponse[] = []
  const listener = await serve((request, response) => {
    if (request.url === '/slow') held.push(response)
    else response.end('{}')
  })
  const api = client(listener)
  const slow = api.get('/slow')
  await api.get('/quick')
  t.equal(held.length, 1)
  held[0]?.end('{}')
  await slow
})

t.test('a Status of 400 and above is thrown with its reason', async (t) => {
  const listener = await serve((_request, response) => {
    response.statusCode = 403
    response.end('{"kind":"Status","message":"pods is forbidden","reason":"Forbidden","code":403}')
  })
  const error = await rejected(client(listener).get('/api/v1/pods'))
  t.type(error, StatusError)
  t.match(error, { message: 'pods is forbidden', status: 403, reason: 'Forbidden' })
})

t.test('a stream comes in pieces and ends by its signal', async (t) => {
  const listener = await serve((_request, response) => {
    response.write('{"type":"ADDED"}\n')
  })
  const stop = new AbortController()
  const pieces: string[] = []
  for await (const piece of client(listener).stream({ path: '/api/v1/pods?watch=true' }, stop.signal)) {
    pieces.push(piece)
    stop.abort()
  }
  t.strictSame(pieces, ['{"type":"ADDED"}\n'])
})

t.test('refusals keep their layer, their code and their words', async (t) => {
  const listener = await serve((_request, response) => response.end('{}'))
  const distrusted = await rejected(client(listener, {}, {}, otherCa.certificate).get('/'))
  t.match(distrusted, {
    layer: 'cert-verify',
    code: 'unknown_authority',
    message: 'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  })
  const own = await leaf('nobody')
  const user = { clientCertificateData: own.certificate, clientKeyData: own.privateKey }
  const strict = await serve(() => {}, true)
  t.match(
    await rejected(client(strict, user).get('/')),
    { layer: 'tls-alert', code: 'unknown_ca', message: 'remote error: tls: unknown certificate authority' },
    'an alert that comes after a TLS 1.3 handshake',
  )
  const gone = await serve(() => {})
  await gone.close()
  t.match(await rejected(client(gone).get('/')), { layer: 'tcp', code: 'ECONNREFUSED' })
})

t.test('a connection that the server closed meanwhile is dialled again', async (t) => {
  const sockets: { destroy(): void }[] = []
  let requests = 0
  const listener = await serve((request, response) => {
    requests++
    sockets.push(request.socket)
    response.end('{}')
  })
  const api = client(listener)
  await api.get('/one')
  sockets[0]?.destroy()
  await api.get('/two')
  t.equal(requests, 2)
})

t.test('a certificate file that was replaced is shown at the next request', async (t) => {
  const folder = t.testdir()
  const write = async (name: string, age: number): Promise<void> => {
    const pair = await leaf(name)
    for (const [file, text] of [
      ['client.crt', pair.certificate],
      ['client.key', pair.privateKey],
    ] as const) {
      writeFileSync(join(folder, file), text)
      utimesSync(join(folder, file), age, age)
    }
  }
  await write('before', 1000)
  const listener = await serve((_request, response, name) => response.end(JSON.stringify({ name })))
  const api = client(listener, {
    clientCertificateFile: join(folder, 'client.crt'),
    clientKeyFile: join(folder, 'client.key'),
  })
  t.match(await api.get('/'), { name: 'before' })
  await write('after', 2000)
  t.match(await api.get('/'), { name: 'after' })
})

t.test('a token is sent, from a file as it is now', async (t) => {
  const folder = t.testdir({ token: 'one\n' })
  const listener = await serve((request, response) =>
    response.end(JSON.stringify({ sent: request.headers.authorization ?? '' })),
  )
  const api = client(listener, { tokenFile: join(folder, 'token') })
  t.match(await api.get('/'), { sent: 'Bearer one' })
  writeFileSync(join(folder, 'token'), 'two')
  t.match(await api.get('/'), { sent: 'Bearer two' })
  t.match(await client(listener, { token: 'three' }).get('/'), { sent: 'Bearer three' })
})

t.test('kubeconfigs are read, and refused in the words of clientcmd', async (t) => {
  const text = (user: string, current = 'c'): string => `
clusters: [{name: k, cluster: {server: 'https://127.0.0.1:1/', tls-server-name: api, certificate-authority: ca.crt}}]
contexts: [{name: c, context: {cluster: k, user: u}}, {name: d, context: {cluster: k, user: v}}, {name: e, context: {cluster: l, user: u}}]
users: [{name: u, user: ${user}}]
current-context: ${current}
`
  const folder = t.testdir({ 'ca.crt': 'CA', 'good.conf': text('{token: abc, client-certificate-data: Q0VSVA==}') })
  t.strictSame(readKubeconfig(join(folder, 'good.conf')), {
    cluster: {
      server: 'https://127.0.0.1:1',
      insecureSkipTlsVerify: false,
      certificateAuthorityData: 'CA',
      tlsServerName: 'api',
    },
    user: { clientCertificateData: 'CERT', token: 'abc' },
  })
  const refused = (content: string): string => {
    try {
      return JSON.stringify(parseKubeconfig(content, folder))
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(
    refused(text('{client-certificate: /nonexistent.pem, client-key: /nonexistent.pem}')),
    'invalid configuration: [unable to read client-cert /nonexistent.pem for u due to open /nonexistent.pem: no such file or directory, unable to read client-key /nonexistent.pem for u due to open /nonexistent.pem: no such file or directory]',
  )
  const nothing =
    'invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable'
  t.equal(refused(''), nothing)
  t.equal(refused('apiVersion: v1\nkind: Config\n'), nothing)
  t.equal(refused(text('{}', 'x')), 'invalid configuration: context was not found for specified context: x')
  t.equal(refused(text('{}', 'd')), 'invalid configuration: user "v" was not found for context "d"')
  t.equal(refused(text('{}', 'e')), 'invalid configuration: cluster "l" was not found for context "e"')
  t.throws(() => readKubeconfig('/nonexistent.conf'), { message: 'stat /nonexistent.conf: no such file or directory' })
})

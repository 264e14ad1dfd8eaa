/** What a kubelet does with Pods of its files, with volumes that change, and over every protocol that streams. */
import t from 'tap'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { runtimeThief } from '../../../lib/attacker/runtime.ts'
import { RUNTIME_SOCKET } from '../../../lib/cluster/cri.ts'
import { openSpdyExec } from '../../../lib/kube/exec-spdy.ts'
import type { ExecStatus } from '../../../lib/kube/exec-session.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { SpdySession } from '../../../lib/kube/spdy-session.ts'
import { stringify } from '../../../lib/settings/yaml.ts'
import { readTar } from '../../../sim/kubelet/container/tar-format.ts'
import { KubeletWorld } from './kubelet-world.ts'

const SUPER_ADMIN = { commonName: 'kubernetes-super-admin', organizations: ['system:masters'] }

const world = await new KubeletWorld().start()
t.teardown(() => world.stop())
const host = join(world.folder, 'host')
const manifests = join(host, 'etc/kubernetes/manifests')
mkdirSync(join(host, 'var/lib/kubelet/pki'), { recursive: true })
writeFileSync(join(host, 'var/lib/kubelet/pki/kubelet-client-current.pem'), 'the key of the node')
writeFileSync(join(world.folder, 'outside'), 'not of this host')
symlinkSync(join(world.folder, 'outside'), join(host, 'var/lib/kubelet/escape'))
world.api.refuse = (_method, path) => (path.startsWith('/api/v1/namespaces/ghost/') ? 404 : undefined)

function pod(name: string, spec: object, namespace = 'default'): KubeObject {
  const metadata = { name, namespace, uid: `uid-of-${name}` }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: 'worker-1', ...spec } }
}
const put = (object: KubeObject): void => {
  const { name = '', namespace = '' } = object.metadata
  world.api.put('ADDED', `/api/v1/namespaces/${namespace}/pods/${name}`, object)
}
const config = { staticPodPath: manifests, syncFrequency: '100ms' }
const kubelet = await world.kubelet({ config, env: { MTLS_RANGE_ROOT: host } })
await kubelet.serving()
const admin = await world.client(kubelet.port, SUPER_ADMIN)

function running(name: string, namespace = 'default'): Promise<KubeObject> {
  return world.api.until(() => {
    const object = world.api.objects.get(`/api/v1/namespaces/${namespace}/pods/${name}`)
    return (object?.['status'] as { phase?: string } | undefined)?.phase === 'Running' ? object : undefined
  }, `${name} runs`)
}
async function run(where: string, ...command: string[]): Promise<string> {
  return (await admin.request({ method: 'POST', path: `/run/${where}?cmd=${encodeURIComponent(command.join(' '))}` }))
    .text
}
/** Asks again until the answer is the wanted one. */
async function eventually(ask: () => Promise<string>, wanted: RegExp): Promise<string> {
  const until = Date.now() + 10_000
  for (;;) {
    const got = await ask()
    if (wanted.test(got) || Date.now() > until) return got
    await new Promise((resolve) => setImmediate(resolve))
  }
}

t.test('a static Pod runs, is shown by a mirror, and goes with its file', async (t) => {
  mkdirSync(manifests, { recursive: true })
  const container = { name: 'main', image: 'example/agent:1', command: ['sleep', 'infinity'] }
  const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'agent' }, spec: { containers: [container] } }
  writeFileSync(join(manifests, 'agent.yaml'), stringify(manifest))
  const mirror = await running('agent-worker-1')
  const hash = mirror.metadata.annotations?.['kubernetes.io/config.hash']
  t.match(mirror.metadata, {
    annotations: { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.mirror': hash! },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'worker-1', controller: true }],
  })
  t.not(mirror.metadata.uid, hash, 'the mirror is an object of its own')
  const { items } = (await admin.json({ path: '/pods' })) as { items: KubeObject[] }
  t.equal(items.find(({ metadata }) => metadata.name === 'agent-worker-1')?.metadata.uid, hash)
  t.equal(await run('default/agent-worker-1/main', 'hostname'), 'agent-worker-1\n')

  world.api.put('DELETED', '/api/v1/namespaces/default/pods/agent-worker-1', mirror)
  await running('agent-worker-1')
  t.pass('whoever deletes the mirror gets a new one')
  rmSync(join(manifests, 'agent.yaml'))
  const gone = (): true | undefined =>
    world.api.objects.has('/api/v1/namespaces/default/pods/agent-worker-1') ? undefined : true
  t.ok(await world.api.until(gone, 'the mirror goes'))
})

t.test('a static Pod in a namespace that does not exist is hidden from the API', async (t) => {
  const container = { name: 'main', image: 'example/miner:1', command: ['sleep', 'infinity'] }
  const metadata = { name: 'miner', namespace: 'ghost' }
  writeFileSync(
    join(manifests, 'miner.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [container] } }),
  )
  t.equal(await eventually(() => run('ghost/miner-worker-1/main', 'hostname'), /miner/), 'miner-worker-1\n')
  await kubelet.until(
    () => /"Failed creating a mirror pod" err=".*" pod="ghost\/miner-worker-1"/.exec(kubelet.stderr) ?? undefined,
    'it says so',
  )
  t.notOk(
    [...world.api.objects.keys()].some((path) => path.includes('miner')),
    'no object of it is in the API',
  )
})

t.test('a static Pod may refer to nothing of the API', async (t) => {
  const spec = { containers: [{ name: 'main' }], volumes: [{ name: 'v', secret: { secretName: 's' } }] }
  writeFileSync(
    join(manifests, 'bad.yaml'),
    stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bad' }, spec }),
  )
  const words = /"Could not process manifest file" err=".*bad\.yaml: static pods may not reference secrets"/
  t.ok(await kubelet.until(() => words.exec(kubelet.stderr) ?? undefined, 'it is refused'))
})

t.test('hostPath shows the folder of this host and nothing else', async (t) => {
  const container = {
    name: 'main',
    image: 'example/spy:1',
    command: ['sleep', 'infinity'],
    volumeMounts: [
      { name: 'host', mountPath: '/host' },
      { name: 'pki', mountPath: '/pki', readOnly: true },
    ],
  }
  const volumes = [
    { name: 'host', hostPath: { path: '/' } },
    { name: 'pki', hostPath: { path: '/var/lib/kubelet/pki', type: 'Directory' } },
  ]
  put(pod('spy', { containers: [container], volumes }))
  await running('spy')
  t.equal(
    await run('default/spy/main', 'cat', '/host/var/lib/kubelet/pki/kubelet-client-current.pem'),
    'the key of the node',
  )
  t.equal(await run('default/spy/main', 'ls', '/pki'), 'kubelet-client-current.pem\n')
  for (const path of ['/host/var/lib/kubelet/escape', '/host/../outside', `/host/..${world.folder}/outside`]) {
    t.match(await run('default/spy/main', 'cat', path), /No such file or directory$/m, path)
  }
  t.match(await run('default/spy/main', 'touch', '/pki/x'), /exited with 1: touch: \/pki\/x: Read-only file system/)
  t.equal(await run('default/spy/main', 'cp', '/etc/hostname', '/host/etc/planted'), '')
  t.equal(readFileSync(join(host, 'etc/planted'), 'utf8'), 'spy\n')
})

t.test('volumes follow what changes in the API, and tokens are renewed', async (t) => {
  const secret = (value: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'changing', namespace: 'default' },
    data: { value: Buffer.from(value).toString('base64') },
  })
  const path = '/api/v1/namespaces/default/secrets/changing'
  world.api.put('ADDED', path, secret('old'))
  const sources = [
    { secret: { name: 'changing' } },
    { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 1 } },
  ]
  const container = {
    name: 'main',
    image: 'example/app:1',
    command: ['sleep', 'infinity'],
    env: [{ name: 'VALUE', valueFrom: { secretKeyRef: { name: 'changing', key: 'value' } } }],
    volumeMounts: [{ name: 'all', mountPath: '/all' }],
  }
  put(pod('follower', { containers: [container], volumes: [{ name: 'all', projected: { sources } }] }))
  await running('follower')
  const first = await run('default/follower/main', 'cat', '/all/token')
  t.match(first, /^token-\d+$/)
  t.match(world.api.calls.findLast(({ path: asked }) => asked.endsWith('/serviceaccounts/default/token'))?.body, {
    spec: { audiences: ['vault'], expirationSeconds: 1, boundObjectRef: { kind: 'Pod', name: 'follower' } },
  })
  world.api.put('MODIFIED', path, secret('new'))
  t.equal(await eventually(() => run('default/follower/main', 'cat', '/all/value'), /new/), 'new')
  t.equal(await run('default/follower/main', 'printenv', 'VALUE'), 'old\n', 'an environment stays')
  const asked = world.api.calls.filter(({ path: each }) => each.endsWith('/token')).length
  const renewed = new RegExp(`^(?!${first}$)token-`)
  t.match(await eventually(() => run('default/follower/main', 'cat', '/all/token'), renewed), renewed)
  t.ok(asked <= 2, 'a good token is not asked for again at each look')
})

async function upgraded(method: string, path: string, versions: string): Promise<Socket> {
  const socket = await admin.connect()
  const head = `Host: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${versions}`
  socket.write(`${method} ${path} HTTP/1.1\r\n${head}\r\nContent-Length: 0\r\n\r\n`)
  let answer = ''
  await new Promise<void>((resolve, reject) => {
    socket.on('readable', function read() {
      // a byte at a time: what stands behind the head is SPDY
      for (let byte = socket.read(1) as Buffer | null; byte; byte = socket.read(1) as Buffer | null) {
        answer += byte.toString('latin1')
        if (!answer.startsWith('HTTP/1.1 101 ') || !answer.endsWith('\r\n\r\n')) continue
        socket.off('readable', read)
        return resolve()
      }
    })
    socket.once('error', reject)
    socket.once('end', () => reject(new Error(answer)))
  })
  return socket
}

interface SpdyAsked {
  command: string[]
  stdin?: Buffer
  tty?: boolean
  version?: 'v4.channel.k8s.io' | 'channel.k8s.io'
  where?: string
  verb?: 'exec' | 'attach'
  size?: object
  /** Typed one after the other, each once the output shows what stands before it. */
  dialogue?: [RegExp, string][]
}

async function overSpdy(asked: SpdyAsked): Promise<{ out: string; err: string; status: ExecStatus | undefined }> {
  const {
    command,
    stdin,
    tty = false,
    version = 'v4.channel.k8s.io',
    where = 'default/shell/main',
    verb = 'exec',
  } = asked
  const query = new URLSearchParams([...command.map((word): [string, string] => ['command', word]), ['output', '1']])
  query.append(tty ? 'tty' : 'error', '1')
  const { dialogue } = asked
  const isTyped = stdin !== undefined || dialogue !== undefined
  if (isTyped) query.append('input', '1')
  const transport = await upgraded('POST', `/${verb}/${where}?${query.toString()}`, version)
  const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const client = openSpdyExec(transport, {
    stdin: isTyped,
    stdout: true,
    stderr: !tty,
    tty,
    protocol: version,
    onBytes: (stream, bytes) => {
      said[stream].push(bytes)
      const next = dialogue?.[0]
      if (!next?.[0].test(Buffer.concat(said.stdout).toString())) return
      dialogue?.shift()
      client.stdin?.write(Buffer.from(next[1]))
    },
  })
  if (asked.size) client.resize?.write(Buffer.from(JSON.stringify(asked.size)))
  if (stdin) client.stdin?.write(stdin)
  if (!dialogue) client.stdin?.end()
  const status = await client.status
  client.close()
  return { out: Buffer.concat(said.stdout).toString(), err: Buffer.concat(said.stderr).toString(), status }
}

t.test('exec and attach over SPDY', async (t) => {
  const container = { name: 'main', image: 'example/shell:1', command: ['cat'], stdin: true }
  put(pod('shell', { restartPolicy: 'Never', containers: [container] }))
  await running('shell')
  t.strictSame(await overSpdy({ command: ['sh', '-c', 'echo a; echo b >&2; exit 3'] }), {
    out: 'a\n',
    err: 'b\n',
    status: {
      status: 'Failure',
      message:
        'command terminated with non-zero exit code: error executing command [sh -c echo a; echo b >&2; exit 3], exit code 3',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    },
  })
  t.strictSame(await overSpdy({ command: ['wc', '-c'], stdin: Buffer.alloc(300_000, 1) }), {
    out: '300000\n',
    err: '',
    status: { status: 'Success' },
  })
  t.match(await overSpdy({ command: ['false'], version: 'channel.k8s.io' }), {
    status: { status: 'Failure', message: /exit code 1$/ },
  })
  t.match(await overSpdy({ command: ['true'], version: 'channel.k8s.io' }), { status: { status: 'Success' } })
  await t.rejects(upgraded('POST', '/exec/default/shell/main?command=true&output=1', 'v5.channel.k8s.io'), {
    message:
      /^HTTP\/1\.1 403 [\s\S]*unable to negotiate protocol: client supports \[v5\.channel\.k8s\.io\], server accepts \[v4/,
  })
  t.match(await overSpdy({ command: [], verb: 'attach', stdin: Buffer.from('typed\n') }), {
    out: 'typed\n',
    status: { status: 'Success' },
  })
  const logs = await admin.request({ path: '/containerLogs/default/shell/main' })
  t.equal(logs.text, 'typed\n', 'what an entry point wrote is its log')
})

t.test('a terminal', async (t) => {
  put(pod('tty', { containers: [{ name: 'main', image: 'example/tty:1', command: ['sleep', 'infinity'] }] }))
  await running('tty')
  const where = 'default/tty/main'
  const { out, status } = await overSpdy({
    command: ['sh'],
    where,
    tty: true,
    size: { Width: 101, Height: 33 },
    dialogue: [
      [/\/ # $/, 'stty size\r'],
      [/33 101\r\n\/ # $/, 'not this\x15echp\x7fo "a\r'],
      [/> $/, 'b"\r'],
      [/a\r\nb\r\n\/ # $/, 'sleep 100\r'],
      [/sleep 100\r\n$/, '\x03'],
      [/\^C\r\n\/ # $/, 'cat\r'],
      [/cat\r\n$/, 'line\r'],
      [/line\r\nline\r\n$/, '\x04'],
      [/line\r\n\/ # $/, 'tty\r'],
      [/pts\/0\r\n\/ # $/, 'exit 4\r'],
    ],
  })
  t.match(out, /exit 4\r\n$/, 'each answer came')
  t.equal(status?.details?.causes?.[0]?.message, '4')
  t.match(await overSpdy({ command: ['tty'], where }), { out: 'not a tty\n' })
})

t.test('port-forward over SPDY', async (t) => {
  const script = 'nc -lk -p 9000 -e cat'
  const container = {
    name: 'main',
    image: 'example/web:1',
    command: ['sh', '-c', script],
    ports: [{ containerPort: 8080 }],
  }
  put(pod('ports', { containers: [container] }))
  await running('ports')
  const transport = await upgraded('POST', '/portForward/default/ports', 'portforward.k8s.io')
  const session = new SpdySession(transport, { role: 'client' })
  const ask = async (port: string, text: string): Promise<{ data: string; error: string }> => {
    const open = (streamtype: string): ReturnType<SpdySession['open']> =>
      session.open(new Map(Object.entries({ streamtype, port, requestid: port })))
    const error = open('error')
    const data = open('data')
    data.write(Buffer.from(text))
    data.end()
    const all = async (stream: AsyncIterable<Buffer>): Promise<string> => {
      const pieces: Buffer[] = []
      for await (const piece of stream) pieces.push(piece)
      return Buffer.concat(pieces).toString()
    }
    return { data: await all(data.input), error: await all(error.input) }
  }
  t.strictSame(await ask('9000', 'back again'), { data: 'back again', error: '' })
  const { data } = await ask('8080', 'GET /x HTTP/1.1\r\nHost: y\r\n\r\n')
  t.match(
    data,
    /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nHostname: ports\nContainer: main\n\nGET \/x HTTP\/1\.1\r\nHost: y/,
  )
  t.match(await ask('9999', ''), {
    data: '',
    error: /^error forwarding port 9999 to pod [0-9a-f]{64}, uid : .*connect: connection refused$/,
  })
  t.strictSame(await ask('0', ''), { data: '', error: '' }, 'no port: reset')
  session.close()
})

t.test('tar, both ways', async (t) => {
  const where = 'default/tty/main'
  const long = `${'deep/'.repeat(30)}${'n'.repeat(120)}`
  await overSpdy({ command: ['mkdir', '-p', `/data/${long.slice(0, long.lastIndexOf('/'))}`, '/out'], where })
  await overSpdy({ command: ['tee', `/data/${long}`], where, stdin: Buffer.from('far down') })
  await overSpdy({
    command: ['sh', '-c', 'echo short > /data/a; tar cf /archive /data; tar -xmf /archive -C /out'],
    where,
  })
  t.match(await overSpdy({ command: ['cat', `/out/data/${long}`], where }), { out: 'far down' })
  t.match(await overSpdy({ command: ['tar', 'tf', '/archive'], where }), {
    out: new RegExp(`^data/\ndata/a\ndata/${long}\n$`),
  })
  t.match(await overSpdy({ command: ['tar', 'cf', '-', '/data/a'], where }), {
    err: "tar: removing leading '/' from member names\n",
  })
  t.match(await overSpdy({ command: ['tar', 'xf', '-'], where, stdin: Buffer.alloc(600, 1) }), {
    err: 'tar: invalid tar magic\n',
    status: { status: 'Failure' },
  })
  t.equal(readTar(Buffer.alloc(10)), undefined)
})

t.test('logs of the container before', async (t) => {
  put(pod('once', { restartPolicy: 'Never', containers: [{ name: 'main', image: 'i', command: ['echo', 'done'] }] }))
  const text = async (query: string): Promise<string> =>
    (await admin.request({ path: `/containerLogs/default/once/main${query}` })).text
  t.equal(await eventually(() => text(''), /done/), 'done\n')
  t.equal(await text('?previous=true'), 'previous terminated container "main" in pod "once" not found')
  t.equal(await text(`?sinceTime=${new Date(Date.now() + 60_000).toISOString()}`), '')
  t.equal(await text('?sinceTime=2020-01-01T00:00:00Z'), 'done\n')
  t.equal(await text('?sinceTime=yesterday'), '{"message": "Unable to decode query."}')
})

t.test('the runtime obeys whoever may connect to its socket', async (t) => {
  const path = join(host, RUNTIME_SOCKET)
  await eventually(() => Promise.resolve(String(existsSync(path))), /true/)
  t.equal(statSync(path).mode & 0o777, 0o660, 'its owner and group alone')
  put(
    pod('victim', { containers: [{ name: 'main', image: 'victim:1', env: [{ name: 'PASSWORD', value: 'hunter2' }] }] }),
  )
  await running('victim')
  const runtime = await runtimeThief(path)
  t.teardown(() => runtime.close())
  const found = (await runtime.containers()).find((each) => each.pod.name === 'victim')
  t.match(found, { name: 'main', image: 'victim:1', pod: { namespace: 'default', uid: 'uid-of-victim' } })
  const { stdout, stderr, exitCode } = await runtime.run(found?.id ?? '', ['sh', '-c', 'env; echo no >&2; exit 3'])
  t.match(stdout.toString('utf8'), /^PASSWORD=hunter2$/m)
  t.match({ stderr: stderr.toString('utf8'), exitCode }, { stderr: 'no\n', exitCode: 3 })
  await t.rejects(runtime.run('nobody', ['id']), {
    code: 'NotFound',
    message: 'failed to find container "nobody" in store: not found',
  })
})

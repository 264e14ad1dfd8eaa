/** A real kubectl, 1.29 or newer, against the cluster as kubeadm leaves it. */
import t from 'tap'
import { execFile, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { startCluster } from '../../lib/cluster/start-cluster.ts'
import { loadPosture } from '../../lib/posture/posture.ts'
import { createRequest } from '../../lib/x509/odd.ts'
import { parseDocument } from '../../lib/settings/yaml.ts'

const OLDEST_MINOR = 29
const kubectl = findKubectl()
if (!kubectl)
  process.stderr.write('SKIPPED: no kubectl >= 1.29 is installed, no command of it was put to our cluster\n')

interface Said {
  code: number
  out: string
  err: string
}

/** Beside a kubectl that only chooses lie those it chooses from, named by their version: the newest of them. */
function findKubectl(): string | undefined {
  const found = spawnSync('/bin/sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).stdout.trim()
  if (found === '') return undefined
  const folder = dirname(realpathSync(found))
  const beside = readdirSync(folder)
    .filter((name) => /^kubectl\.1\.\d+$/.test(name))
    .sort((one, other) => minorOf(other) - minorOf(one))
    .map((name) => join(folder, name))
  return [...beside, found].find((program) => {
    const { status, stdout } = spawnSync(program, ['version', '--client', '--output=json'], { encoding: 'utf8' })
    if (status !== 0) return false
    const { clientVersion } = JSON.parse(stdout) as { clientVersion: { gitVersion: string } }
    return minorOf(clientVersion.gitVersion) >= OLDEST_MINOR
  })
}

/** `v1.32.4`, `kubectl.1.32` -> 32 */
function minorOf(version: string): number {
  return Number(/1\.(\d+)/.exec(version)?.[1] ?? 0)
}

t.test('kubectl', { skip: kubectl ? false : 'no kubectl >= 1.29 is installed' }, async (t) => {
  t.comment(`kubectl is ${kubectl}`)
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const cluster = await startCluster(await loadPosture('kubeadm'))
  t.teardown(() => cluster.stop())
  const kubernetes = join(cluster.hostFolder('control-plane-1'), 'etc/kubernetes')

  const run = (words: readonly string[], { stdin = '', as = 'admin.conf' } = {}): Promise<Said> =>
    new Promise((resolve) => {
      const config = [`--kubeconfig=${join(kubernetes, as)}`, `--cache-dir=${folder}`]
      // Before 1.31 kubectl takes SPDY unless it is told otherwise.
      const env = { PATH: process.env['PATH'], HOME: folder, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true' }
      const options = { env, timeout: 30_000 }
      const child = execFile(kubectl!, [...config, ...words], options, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, out: out.trimEnd(), err: err.trimEnd() }),
      )
      child.stdin!.end(stdin)
    })
  const ask = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await run(words)
    return code === 0 ? out : `exit ${code}: ${err}`
  }
  /** The rows of a table as words, without the heading and without ages. */
  const table = async (...words: string[]): Promise<string[][]> => {
    const lines = (await ask(...words)).split('\n').slice(1)
    return lines.map((line) => line.split(/\s+/))
  }

  await t.test('get', async (t) => {
    t.equal(
      await ask('wait', '--for=condition=Ready', 'pod/web', 'pod/database', '-n', 'shop', '--timeout=15s'),
      'pod/web condition met\npod/database condition met',
    )
    const nodes = await table('get', 'nodes')
    t.strictSame(
      nodes.map(([name, status, , , version]) => [name, status, version]),
      [
        ['worker-1', 'Ready', 'v1.36.3'],
        ['worker-2', 'Ready', 'v1.36.3'],
      ],
    )
    const all = await ask('get', 'nodes,pods,secrets', '-A')
    t.match(all, /^ *node\/worker-1 +Ready /m)
    t.match(all, /^shop +pod\/database +1\/1 +Running +0 /m)
    t.match(all, /^shop +secret\/database +Opaque +1 /m)
    const [database] = await table('get', 'pod', 'database', '-n', 'shop', '-o', 'wide', '--show-labels')
    t.match(database, ['database', '1/1', 'Running', '0', /^\d+m?s$/, /^10\./, 'worker-2', '<none>', '<none>'])
    t.equal(database?.at(-1), 'app=database')
    const yaml = parseDocument(await ask('get', 'pod', 'database', '-n', 'shop', '-o', 'yaml')).toJS() as unknown
    t.match(yaml, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'database' }, status: { phase: 'Running' } })
    const secret = JSON.parse(await ask('get', 'secret', 'database', '-n', 'shop', '-o', 'json')) as object
    t.match(secret, { type: 'Opaque', data: { password: Buffer.from('not-a-real-password').toString('base64') } })
    const words = ['get', 'pods', '-A', '-l', 'app', '-o', 'jsonpath={.items[*].metadata.name}']
    t.equal(await ask(...words), 'database web')
    t.equal(
      await ask('get', 'secret', 'nothing', '-n', 'shop'),
      'exit 1: Error from server (NotFound): secrets "nothing" not found',
    )
    t.equal(await ask('get', 'gadgets'), 'exit 1: error: the server doesn\'t have a resource type "gadgets"')
  })

  await t.test('create, label, annotate, patch and delete', async (t) => {
    t.equal(await ask('create', 'namespace', 'lab'), 'namespace/lab created')
    t.equal(
      await ask('create', 'namespace', 'lab'),
      'exit 1: Error from server (AlreadyExists): namespaces "lab" already exists',
    )
    const literal = ['--from-literal=user=ann', '--from-literal=password=s3cret']
    t.equal(await ask('create', 'secret', 'generic', 'login', '-n', 'lab', ...literal), 'secret/login created')
    t.equal(await ask('get', 'secret', 'login', '-n', 'lab', '-o', 'jsonpath={.data.user}'), 'YW5u')
    t.equal(await ask('label', 'secret', 'login', '-n', 'lab', 'tier=back'), 'secret/login labeled')
    t.equal(
      await ask('label', 'secret', 'login', '-n', 'lab', 'tier=front'),
      "exit 1: error: 'tier' already has a value (back), and --overwrite is false",
    )
    t.equal(await ask('annotate', 'secret', 'login', '-n', 'lab', 'why=test'), 'secret/login annotated')
    t.equal(await ask('get', 'secrets', '-A', '-l', 'tier=back', '-o', 'name'), 'secret/login')
    t.equal(await ask('label', 'node', 'worker-1', 'disk=ssd'), 'node/worker-1 labeled')
    t.equal(await ask('get', 'nodes', '-l', 'disk=ssd', '-o', 'name'), 'node/worker-1')
    const patch = JSON.stringify({ stringData: { user: 'bob' } })
    t.equal(await ask('patch', 'secret', 'login', '-n', 'lab', '--type=merge', '-p', patch), 'secret/login patched')
    t.equal(await ask('get', 'secret', 'login', '-n', 'lab', '-o', 'jsonpath={.data.user}'), 'Ym9i')
    t.equal(await ask('create', 'serviceaccount', 'robot', '-n', 'lab'), 'serviceaccount/robot created')
    t.match(await ask('create', 'token', 'robot', '-n', 'lab'), /^[\w-]+\.[\w-]+\.[\w-]+$/)
    t.equal(await ask('delete', 'secret', 'login', '-n', 'lab'), 'secret "login" deleted')
    t.match(await ask('get', 'secret', 'login', '-n', 'lab'), /NotFound/)
    t.equal(await ask('delete', 'namespace', 'lab', '--timeout=20s'), 'namespace "lab" deleted')
    t.match(await ask('get', 'namespace', 'lab'), /NotFound/)
  })

  await t.test('apply, explain, services and certificate requests', async (t) => {
    const map = (data: string, more = ''): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\n${more}data: {${data}}\n`
    const apply = async (stdin: string, ...words: string[]): Promise<string> => {
      const { code, out, err } = await run(['apply', '-f', '-', ...words], { stdin })
      return code === 0 ? out : `exit ${code}: ${err}`
    }
    t.equal(await apply(map('a: "1"')), 'configmap/applied created')
    t.equal(await apply(map('a: "1"')), 'configmap/applied unchanged')
    t.equal(await apply(map('b: "2"')), 'configmap/applied configured')
    t.equal(await ask('get', 'configmap', 'applied', '-o', 'jsonpath={.data}'), '{"b":"2"}')
    t.equal(await apply(map('c: "3"'), '--server-side', '--force-conflicts'), 'configmap/applied serverside-applied')
    t.match(await apply(map('a: "1"', 'nope: 1\n')), /strict decoding error: unknown field "nope"/)
    t.match(
      await apply('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n'),
      /no matches for kind "Deployment" in version "apps\/v1"/,
    )
    t.match(await ask('explain', 'pod.spec.containers'), /^FIELD: containers <\[\]Container>/m)
    t.match(await ask('explain', 'pod.spec.containers'), /^ {2}image\t<string>$/m)
    t.equal(await ask('create', 'service', 'clusterip', 'made', '--tcp=80:8080'), 'service/made created')
    t.match(await table('get', 'service', 'made'), [['made', 'ClusterIP', /^10\.\d+\.\d+\.\d+$/, '<none>', '80/TCP']])
    t.match(await ask('describe', 'service', 'kubernetes'), /^Endpoints: +127\.\d+\.1\.1:6443$/m)
    t.match(await ask('create', 'deployment', 'd', '--image=x'), /the server could not find the requested resource/)

    const { request } = await createRequest({ commonName: 'jane', organizations: ['dev'] })
    const spec = {
      request: Buffer.from(request).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
      expirationSeconds: 3600,
    }
    const csr = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'jane' } }
    t.match(
      await apply(JSON.stringify({ ...csr, spec })),
      /^certificatesigningrequest\.certificates\.k8s\.io\/jane created$/,
    )
    t.match(await ask('certificate', 'approve', 'jane'), /jane approved$/)
    t.match(
      await ask('wait', '--for=jsonpath={.status.certificate}', 'csr/jane', '--timeout=10s'),
      /^certificatesigningrequest\.certificates\.k8s\.io\/jane condition met$/,
    )
    t.match(await table('get', 'csr', 'jane'), [
      ['jane', /s$/, 'kubernetes.io/kube-apiserver-client', 'kubernetes-admin', '60m', 'Approved,Issued'],
    ])
    const certificate = Buffer.from(await ask('get', 'csr', 'jane', '-o', 'jsonpath={.status.certificate}'), 'base64')
    t.match(new X509Certificate(certificate), { subject: 'O=dev\nCN=jane', issuer: 'CN=kubernetes' })
  })

  await t.test('exec and logs', async (t) => {
    const inPod = ['exec', '-n', 'shop', 'database']
    t.equal(await ask(...inPod, '--', 'cat', '/etc/database/password'), 'not-a-real-password')
    t.equal(
      (await run([...inPod, '-i', '--', 'cat'], { stdin: 'over the wire\nand back' })).out,
      'over the wire\nand back',
    )
    t.match(await run([...inPod, '--', 'sh', '-c', 'exit 3']), {
      code: 3,
      err: 'command terminated with exit code 3',
    })
    t.match(await ask(...inPod, '--', 'no-such-program'), /executable file not found in \$PATH/)
    t.match(await run(['logs', '-n', 'shop', 'database']), { code: 0, err: '' })
    t.match(
      await ask('logs', '-n', 'shop', 'nobody'),
      /^exit 1: (error: e|E)rror from server \(NotFound\): pods "nobody" not found( in namespace "shop")?$/,
    )
  })

  await t.test('auth', async (t) => {
    t.match(await ask('auth', 'whoami'), /^Username +kubernetes-admin$/m)
    t.match(await ask('auth', 'whoami'), /^Groups +\[kubeadm:cluster-admins system:authenticated\]$/m)
    t.equal(await ask('auth', 'can-i', 'delete', 'secrets', '-A'), 'yes')
    const asScheduler = { as: 'scheduler.conf' }
    t.match(await run(['auth', 'can-i', 'get', 'secrets', '-n', 'shop'], asScheduler), { code: 1, out: 'no' })
    t.match(await run(['auth', 'can-i', 'create', 'pods', '--subresource=binding'], asScheduler), {
      code: 0,
      out: 'yes',
    })
    t.match(await run(['auth', 'whoami'], asScheduler), { out: /^Username +system:kube-scheduler$/m })
    t.equal(
      await ask('auth', 'can-i', 'get', 'secrets', '--as=system:kube-proxy').then((said) => said.slice(0, 7)),
      'exit 1:',
    )
    t.match(await run(['get', 'secrets', '-n', 'shop'], asScheduler), {
      code: 1,
      err:
        'Error from server (Forbidden): secrets is forbidden: User "system:kube-scheduler" cannot list resource "secrets" ' +
        'in API group "" in the namespace "shop"',
    })
    t.match(await ask('get', 'pods', '--as=nobody', '-n', 'shop'), /User "nobody" cannot list resource "pods"/)
    t.match(await ask('auth', 'can-i', '--list', '-n', 'shop'), /^\*\.\* +\[\] +\[\] +\[\*\]$/m)
  })
})

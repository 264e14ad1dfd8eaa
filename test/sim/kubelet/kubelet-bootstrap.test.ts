/** A kubelet that is new to a running cluster: token, request, signature, serving certificate, and what a denial comes to. */
import t from 'tap'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startCluster } from '../../../lib/cluster/start-cluster.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { loadPosture } from '../../../lib/posture/posture.ts'
import { parse, stringify } from '../../../lib/settings/yaml.ts'
import { dialTls } from '../../../lib/tls/dial.ts'
import { parseCertificateRequest } from '../../../lib/x509/certificate-request.ts'
import { nameToString } from '../../../lib/x509/name.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { pemBlocks } from '../../../lib/x509/pem.ts'
import { freePort, RunningKubelet } from './kubelet-world.ts'

const MAIN = fileURLToPath(new URL('../../../sim/kubelet/main.js', import.meta.url))
const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const TOKEN = { id: 'abcdef', secret: '0123456789abcdef' }
const DEADLINE_MS = 20_000
const POLL_MS = 40

const folder = mkdtempSync(join(tmpdir(), 'mtls-range-test-'))
const cluster = await startCluster(await loadPosture('kubeadm'))
const { client } = cluster.operator
const children: ChildProcess[] = []
t.teardown(async () => {
  for (const child of children) child.kill('SIGKILL')
  await cluster.stop()
  rmSync(folder, { recursive: true, force: true })
})
await client.create('/api/v1/namespaces/kube-system/secrets', {
  kind: 'Secret',
  apiVersion: 'v1',
  metadata: { name: `bootstrap-token-${TOKEN.id}`, namespace: 'kube-system' },
  type: 'bootstrap.kubernetes.io/token',
  stringData: {
    'token-id': TOKEN.id,
    'token-secret': TOKEN.secret,
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
  },
})
const kubernetes = join(cluster.hostFolder('control-plane-1'), 'etc/kubernetes')
const authority = readFileSync(join(kubernetes, 'pki/ca.crt'))

interface NewKubelet {
  running: RunningKubelet
  folder: string
}

async function newKubelet(name: string, settings: object, token = `${TOKEN.id}.${TOKEN.secret}`): Promise<NewKubelet> {
  const own = join(folder, name)
  const file = (each: string): string => `${own}-${each}`
  const port = await freePort()
  const clusters = [
    { name: 'c', cluster: { server: client.server, 'certificate-authority-data': authority.toString('base64') } },
  ]
  const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u' } }]
  const kubeconfig = { apiVersion: 'v1', kind: 'Config', clusters, users: [{ name: 'u', user: { token } }], contexts }
  writeFileSync(file('bootstrap.conf'), stringify({ ...kubeconfig, 'current-context': 'x' }))
  const x509 = { clientCAFile: join(kubernetes, 'pki/ca.crt') }
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '127.0.0.1',
    port,
    healthzPort: 0,
    authentication: { x509 },
    ...settings,
  }
  writeFileSync(file('config.yaml'), stringify(config))
  const words = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS', process.execPath, MAIN]
  const flags = [
    `--bootstrap-kubeconfig=${file('bootstrap.conf')}`,
    `--kubeconfig=${file('kubelet.conf')}`,
    `--config=${file('config.yaml')}`,
    `--cert-dir=${file('pki')}`,
    `--hostname-override=${name}`,
    '--node-ip=127.0.0.1',
  ]
  const child = spawn('/usr/bin/env', [...words, ...flags], {
    env: { ...process.env, MTLS_RANGE_WITNESS_FD: '3' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  children.push(child)
  return { running: new RunningKubelet(child, port, 0, 0), folder: own }
}

/** Looks at the API until the answer is there. */
async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const end = Date.now() + DEADLINE_MS; Date.now() < end;) {
    const found = await look()
    if (found !== undefined) return found
    await delay(POLL_MS)
  }
  throw new Error(`waited in vain: ${what}`)
}

async function requestBy(user: string, signer: string): Promise<KubeObject> {
  return until(async () => {
    const { items } = (await client.json({ path: REQUESTS })) as { items: KubeObject[] }
    return items.find(({ spec }) => {
      const { username, signerName } = spec as { username: string; signerName: string }
      return username === user && signerName === signer
    })
  }, `a request by ${user}`)
}

function decided(request: KubeObject, type: 'Approved' | 'Denied'): object {
  const condition = { type, status: 'True', reason: 'Lab', message: 'by hand' }
  return { ...request, status: { ...(request['status'] as object | undefined), conditions: [condition] } }
}

t.test('with rotation it starts at once and joins as soon as its request is signed', async (t) => {
  const { running, folder: own } = await newKubelet('new-1', { rotateCertificates: true, serverTLSBootstrap: true })
  await running.serving()
  t.strictSame(parse(readFileSync(`${own}-kubelet.conf`, 'utf8')), {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'default-cluster',
        cluster: { 'certificate-authority-data': authority.toString('base64'), server: client.server },
      },
    ],
    contexts: [
      { name: 'default-context', context: { cluster: 'default-cluster', namespace: 'default', user: 'default-auth' } },
    ],
    'current-context': 'default-context',
    users: [
      {
        name: 'default-auth',
        user: {
          'client-certificate': `${own}-pki/kubelet-client-current.pem`,
          'client-key': `${own}-pki/kubelet-client-current.pem`,
        },
      },
    ],
  })
  t.equal(statSync(`${own}-kubelet.conf`).mode & 0o777, 0o600)
  const asked = await requestBy('system:bootstrap:abcdef', 'kubernetes.io/kube-apiserver-client-kubelet')
  t.match(asked, { metadata: { generateName: 'csr-' }, spec: { usages: ['digital signature', 'client auth'] } })
  const { request } = asked['spec'] as { request: string }
  const parsed = parseCertificateRequest(pemBlocks(Buffer.from(request, 'base64').toString())[0]!.der)
  t.equal(nameToString(parsed.subject), 'CN=system:node:new-1,O=system:nodes')
  t.ok(await until(() => cluster.operator.find('/api/v1/nodes/new-1'), 'the node is there'))
  const kept = readFileSync(`${own}-pki/kubelet-client-current.pem`, 'utf8')
  t.strictSame(
    pemBlocks(kept).map(({ label }) => label),
    ['CERTIFICATE', 'EC PRIVATE KEY'],
  )
  t.match(readlinkSync(`${own}-pki/kubelet-client-current.pem`), /kubelet-client-\d{4}(-\d\d){5}\.pem$/)
  t.equal(statSync(`${own}-pki/kubelet-client-current.pem`).mode & 0o777, 0o600)

  // nobody approves a serving certificate by itself
  const serving = await requestBy('system:node:new-1', 'kubernetes.io/kubelet-serving')
  const { request: servingRequest } = serving['spec'] as { request: string }
  const names = parseCertificateRequest(pemBlocks(Buffer.from(servingRequest, 'base64').toString())[0]!.der)
  t.match(names, { dnsNames: ['new-1'], ipAddresses: ['127.0.0.1'] })
  const address = { address: '127.0.0.1', port: running.port, serverName: '127.0.0.1' }
  await t.rejects(dialTls({ ...address, insecureSkipVerify: true }), { message: 'remote error: tls: internal error' })
  const said = /TLS handshake error from 127\.0\.0\.1:\d+: no serving certificate available for the kubelet/
  t.ok(await running.until(() => said.exec(running.stderr) ?? undefined, 'the kubelet says why'))
  await client.update(`${REQUESTS}/${serving.metadata.name}/approval`, decided(serving, 'Approved'))
  const socket = await until(
    () => dialTls({ ...address, caPem: authority.toString() }).catch(() => undefined),
    'its certificate is of the cluster and names it',
  )
  t.equal(
    nameToString(
      parseCertificate(pemBlocks(readFileSync(`${own}-pki/kubelet-server-current.pem`, 'utf8'))[0]!.der).subject,
    ),
    'CN=system:node:new-1,O=system:nodes',
  )
  socket.destroy()
  running.stop()
})

t.test('without rotation nothing goes on before the request is signed, and a denial is the end', async (t) => {
  await client.delete('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kubeadm:node-autoapprove-bootstrap')
  const denied = await newKubelet('new-2', { rotateCertificates: false })
  const asked = await until(async () => {
    const { items } = (await client.json({ path: REQUESTS })) as { items: KubeObject[] }
    return items.find(({ metadata }) => metadata.name?.startsWith('node-csr-'))
  }, 'a request with a name of its own')
  t.match(asked.metadata.name, /^node-csr-[\w-]{43}$/)
  t.equal(statSync(`${denied.folder}-pki/kubelet-client.key.tmp`).mode & 0o777, 0o600)
  t.strictSame(denied.running.witnessed, [], 'nothing listens yet')
  await client.update(`${REQUESTS}/${asked.metadata.name}/approval`, decided(asked, 'Denied'))
  t.equal(await denied.running.exited, 1)
  t.match(
    denied.running.stderr,
    /"command failed" err="failed to run Kubelet: cannot watch on the certificate signing request: certificate signing request is denied, reason: Lab, message: by hand"/,
  )
})

t.test('a wrong token is refused, again and again, and the kubelet stays up', async (t) => {
  const { running } = await newKubelet('new-3', { rotateCertificates: true }, `${TOKEN.id}.ffffffffffffffff`)
  await running.serving()
  const words =
    /"Failed while requesting a signed certificate from the control plane" err="cannot create certificate signing request: Unauthorized"/
  t.ok(await running.until(() => words.exec(running.stderr) ?? undefined, 'it says so'))
  running.stop()
})

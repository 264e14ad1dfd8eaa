import t, { type Test } from 'tap'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { cpSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loopbackPlan } from '../../../lib/cluster/addresses.ts'
import { parseKubeconfig } from '../../../lib/kube/kubeconfig.ts'
import { comparePostures } from '../../../lib/posture/compare.ts'
import { freshEncryptionKeys } from '../../../lib/posture/fresh-encryption-keys.ts'
import { kubeletArguments } from '../../../lib/posture/kubelet-service.ts'
import {
  addHostFolder,
  flagValue,
  readManifest,
  setFlag,
  setImageTag,
  versionOf,
} from '../../../lib/posture/manifest.ts'
import { mapAddresses } from '../../../lib/posture/map-addresses.ts'
import { mapArgument, mapFileText, type HostMapping } from '../../../lib/posture/map-host-text.ts'
import { flagOf } from '../../../lib/posture/change-posture.ts'
import { withEtcdMembers } from '../../../lib/posture/etcd-members.ts'
import { loadPosture, shippedPostures, withFile, type Posture } from '../../../lib/posture/posture.ts'
import {
  issuePostureMaterial,
  renderClusterObjects,
  renderHost,
  type RenderedHost,
} from '../../../lib/posture/render-host.ts'
import { signingAuthority } from '../../../lib/posture/signing-authority.ts'
import { editYaml } from '../../../lib/posture/yaml-file.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { parseGoFlags } from '../../../lib/settings/go-flag.ts'
import { parsePflags } from '../../../lib/settings/pflag.ts'
import { parseDocument } from '../../../lib/settings/yaml.ts'
import type { Certificate } from '../../../lib/x509/certificate.ts'
import { parseRevocationList } from '../../../lib/x509/crl.ts'
import { parseCertificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { certPool } from '../../../lib/x509/pool.ts'
import { verify } from '../../../lib/x509/verify.ts'
import { FLAGS as APISERVER_FLAGS } from '../../../sim/kube-apiserver/flags.ts'
import { FLAGS as CONTROLLER_MANAGER_FLAGS } from '../../../sim/kube-controller-manager/flags.ts'
import { FLAGS as ETCD_FLAGS } from '../../../sim/etcd/flags.ts'
import { FLAGS as KUBELET_FLAGS } from '../../../sim/kubelet/flags.ts'
import { FLAGS as SCHEDULER_FLAGS } from '../../../sim/kube-scheduler/flags.ts'

const OCTET = 77

/** A shipped posture with one etcd member: the rest of it is the same for each. */
async function small(name: string): Promise<Posture> {
  return withEtcdMembers(await loadPosture(name), 1)
}
const APISERVER_YAML = 'hosts/control-plane/etc/kubernetes/manifests/kube-apiserver.yaml'

async function render(t: Test, posture: Posture): Promise<Map<string, RenderedHost>> {
  const addresses = loopbackPlan(
    OCTET,
    posture.hosts.map((host) => host.name),
  )
  const run = { addresses, pki: await issuePostureMaterial(posture, addresses), folder: t.testdir() }
  return new Map(posture.hosts.map(({ name }) => [name, renderHost(posture, name, run)]))
}

function certificateAt(rendered: RenderedHost | undefined, path: string): Certificate {
  return parsed(readFileSync(join(rendered?.root ?? '', path), 'utf8'))
}

function parsed(pem: string): Certificate {
  return parseCertificate(certificatesFromPem(pem)[0] ?? Buffer.alloc(0))
}

function modeAt(rendered: RenderedHost | undefined, path: string): string {
  return (statSync(join(rendered?.root ?? '', path)).mode & 0o777).toString(8)
}

/** A copy of the kubeadm posture with one file changed. */
function spoilt(t: Test, file: string, edit: (text: string) => string): string {
  const folder = join(t.testdir(), 'spoilt')
  cpSync(join(packageRoot(), 'sim/postures/kubeadm'), folder, { recursive: true })
  writeFileSync(join(folder, file), edit(readFileSync(join(folder, file), 'utf8')))
  return folder
}

// RSA keys of a whole cluster are made here.
t.setTimeout(120_000)

t.test('the shipped postures load, from the weakest to the strongest', async (t) => {
  const names = await shippedPostures()
  t.strictSame(names, ['open', 'encrypted', 'kubeadm', 'hardened', 'zero-trust'])
  for (const name of names) {
    const posture = await loadPosture(name)
    t.equal(posture.shipped, true)
    t.equal(posture.name, name)
    t.match(posture.hosts[0], { name: 'control-plane-1', role: 'control-plane', address: '192.0.2.10', number: 1 })
    for (const [file, text] of posture.files) {
      if (!file.endsWith('.yaml')) continue
      for (const document of text.split(/^---\n/m)) {
        t.strictSame(parseDocument(document).toString({ indentSeq: false, lineWidth: 0 }).length > 0, true, file)
      }
    }
  }
})

t.test('every flag of a shipped posture is known to its component in that version', async (t) => {
  const tables = {
    'kube-apiserver': APISERVER_FLAGS,
    'kube-controller-manager': CONTROLLER_MANAGER_FLAGS,
    'kube-scheduler': SCHEDULER_FLAGS,
    kubelet: KUBELET_FLAGS,
  }
  for (const name of await shippedPostures()) {
    for (const { launches } of (await render(t, await loadPosture(name))).values()) {
      for (const { component, args, version } of launches) {
        const parse = (): void => {
          if (component === 'etcd') parseGoFlags(ETCD_FLAGS, args, { component, env: {}, envPrefix: 'ETCD_' })
          else parsePflags(tables[component], args, { component, version })
        }
        t.doesNotThrow(parse, `${name}: ${component}`)
      }
    }
  }
})

t.test('a broken posture is refused with file and line', async (t) => {
  const fails = (file: string, edit: (text: string) => string, error: RegExp): Promise<unknown> =>
    t.rejects(loadPosture(spoilt(t, file, edit)), error, String(error))
  await t.rejects(
    loadPosture('kubeadn'),
    /^\[posture_missing\] kubeadn: no posture and no folder of that name \(did you mean kubeadm\?\)$/,
  )
  await fails('pki.yaml', (text) => `${text}\n  x: [`, /^\[yaml_syntax\] pki\.yaml:\d+:\d+: /)
  await fails(
    'cluster/20-shop.yaml',
    (text) => text.replace('\n---\n', '\n---\n\tx: 1\n'),
    /^\[yaml_syntax\] cluster\/20-shop\.yaml:\d+:1: Tabs are not allowed as indentation$/,
  )
  await fails(
    'pki.yaml',
    (text) => text.replace('signedBy: ca\n', 'signedBy: cc\n'),
    /^\[posture_field\] pki\.yaml:\d+:\d+: certificates\.apiserver\.signedBy: no authority is called cc \(did you mean ca\?\)$/,
  )
  await fails(
    'pki.yaml',
    (text) => text.replace('commonName: kube-apiserver\n', 'comonName: kube-apiserver\n'),
    /^\[posture_field\] pki\.yaml:\d+:\d+: certificates\.apiserver\.comonName: is not a field here; known are signedBy, commonName/,
  )
  await fails(
    'pki.yaml',
    (text) => text.replace("key: '0600'", 'key: 0600'),
    /^\[posture_field\] pki\.yaml:9:8: modes\.key: must be a quoted octal mode such as '0600', got 600$/,
  )
  await fails(
    'pki.yaml',
    (text) => text.replace('8760h', '1y'),
    /^\[posture_field\] pki\.yaml:4:28: certificateValidityPeriod: time: unknown unit "y" in duration "1y"$/,
  )
  await fails(
    'posture.yaml',
    (text) => text.replace('192.0.2.32', '192.0.2.31'),
    /^\[posture_field\] posture\.yaml:\d+:\d+: hosts\.worker\.1\.address: a second host has the address 192\.0\.2\.31$/,
  )
  await fails(
    'posture.yaml',
    (text) => text.replace('worker:\n', 'node:\n'),
    /^\[posture_host\] hosts\/worker: no role or host is called worker in posture\.yaml/,
  )
  await fails(
    'posture.yaml',
    (text) => text.replace('allow: everything', 'allow:\n  - {from: worker, to: etcd, ports: [99999]}'),
    /^\[posture_field\] posture\.yaml:\d+:\d+: network\.allow\.0\.ports\.0: must be a port, got 99999$/,
  )
  const posture = await loadPosture(
    spoilt(t, 'posture.yaml', (text) =>
      text.replace(
        'allow: everything',
        'allow:\n  - {from: worker, to: control-plane, ports: [6443]}\n  - {from: anyone, to: etcd-1}',
      ),
    ),
  )
  t.strictSame(posture.network, [
    { from: 'worker', to: 'control-plane', ports: [6443] },
    { from: 'anyone', to: 'etcd-1', ports: [] },
  ])
  t.equal(posture.shipped, false)
})

t.test('a manifest that is no Pod is named, one of something else is left alone', async (t) => {
  const posture = await small('kubeadm')
  const folder = 'hosts/control-plane/etc/kubernetes/manifests'
  const withVip = withFile(
    posture,
    `${folder}/kube-vip.yaml`,
    'kind: Pod\nspec:\n  containers:\n  - {name: vip, image: vip, command: [/kube-vip]}\n',
  )
  t.strictSame((await render(t, withVip)).get('control-plane-1')?.ignored, ['/etc/kubernetes/manifests/kube-vip.yaml'])
  await t.rejects(
    render(t, withFile(posture, `${folder}/odd.yaml`, 'kind: Deployment\n')),
    /^\[posture_field\] hosts\/control-plane\/etc\/kubernetes\/manifests\/odd\.yaml:1:7: kind: a static Pod manifest holds a Pod, got "Deployment"$/,
  )
})

t.test('manifests are read and edited without moving the rest', async (t) => {
  const text = (await small('kubeadm')).files.get(APISERVER_YAML) ?? ''
  const manifest = readManifest('x', text)
  t.match(manifest, { component: 'kube-apiserver', version: '1.36.3', image: 'registry.k8s.io/kube-apiserver:v1.36.3' })
  t.equal(manifest?.args[0], '--advertise-address=192.0.2.10')
  t.match(manifest?.mounts[1], { mountPath: '/etc/kubernetes/pki', hostPath: '/etc/kubernetes/pki', create: true })
  t.equal(flagValue(text, 'authorization-mode'), 'Node,RBAC')
  t.equal(flagValue(text, 'anonymous-auth'), undefined)
  const added = setFlag('x', text, 'anonymous-auth', 'false')
  t.match(added, /--allow-privileged=true\n {4}- --anonymous-auth=false\n {4}- --authorization-mode/)
  t.equal(setFlag('x', added, 'anonymous-auth', undefined), text)
  t.equal(flagValue(setFlag('x', text, 'authorization-mode', 'RBAC'), 'authorization-mode'), 'RBAC')
  t.match(setFlag('x', text, 'zz', '1'), /apiserver\.key\n {4}- --zz=1\n {4}image:/)
  t.equal(setFlag('x', text, 'not-there', undefined), text)
  t.equal(readManifest('x', setImageTag(text, 'kube-apiserver', 'v1.19.16'))?.version, '1.19.16')
  t.equal(versionOf('registry.k8s.io/etcd:3.6.8-0'), '3.6.8')
  t.equal(versionOf('localhost:5000/etcd@sha256:00'), '')
  t.equal(addHostFolder('x', text, 'pki', '/etc/kubernetes/pki/sub'), text, 'a mounted folder is not mounted twice')
  t.match(readManifest('x', addHostFolder('x', text, 'enc', '/etc/kubernetes/enc'))?.mounts.at(-1), {
    mountPath: '/etc/kubernetes/enc',
  })
  const args =
    'kind: Pod\nspec:\n  containers:\n  - command: [/usr/local/bin/etcd]\n    args:\n    - --name=a\n    image: etcd:3.6.8-0\n'
  t.strictSame(readManifest('x', args)?.args, ['--name=a'])
  t.equal(flagValue(setFlag('x', args, 'data-dir', '/d'), 'data-dir'), '/d')
  const flow = 'kind: Pod\nspec:\n  containers:\n  - command: [etcd, --name=a]\n'
  t.throws(() => setFlag('x', flow, 'name', 'b'), {
    message: '[manifest_command] x: write the command as one argument a line',
  })
})

t.test('YAML is edited in place, new keys where the alphabet puts them', async (t) => {
  const text = '# why\na: 1\nc:\n  d: x # here\nz: 2\n'
  t.equal(editYaml('x', text, ['b'], true), '# why\na: 1\nb: true\nc:\n  d: x # here\nz: 2\n')
  t.equal(editYaml('x', text, ['c', 'e', 'f'], 'g'), '# why\na: 1\nc:\n  d: x # here\n  e:\n    f: g\nz: 2\n')
  t.equal(editYaml('x', text, ['c', 'd'], undefined), '# why\na: 1\nz: 2\n', 'an emptied mapping goes too')
  t.equal(editYaml('x', text, ['q'], undefined), text)
  t.equal(editYaml('x', text, ['z'], 2), text)
})

t.test('a kubelet starts as its drop-in says', async (t) => {
  const files = new Map([
    ['/var/lib/kubelet/kubeadm-flags.env', '# by kubeadm\nKUBELET_KUBEADM_ARGS="--node-ip=192.0.2.31 --v=2"\n'],
    ['/etc/default/kubelet', 'KUBELET_EXTRA_ARGS=--read-only-port=10255'],
  ])
  t.strictSame(kubeletArguments(files), [
    '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
    '--kubeconfig=/etc/kubernetes/kubelet.conf',
    '--config=/var/lib/kubelet/config.yaml',
    '--node-ip=192.0.2.31',
    '--v=2',
    '--read-only-port=10255',
  ])
  files.set(
    '/etc/systemd/system/kubelet.service.d/10-kubeadm.conf',
    `[Service]\nEnvironment="A=--x --y" B=--z\nExecStart=\nExecStart=/usr/bin/kubelet $A \${B} '--q=a b' $NONE\n`,
  )
  t.strictSame(kubeletArguments(files), ['--x', '--y', '--z', '--q=a b'])
})

function map(text: string): string {
  return mapAddresses(text, ['192.0.2.1', '2001:db8::1', '127.0.0.1'], (address, port) =>
    port === 2 ? { address: 'A', port: 3 } : { address: `<${address}>` },
  )
}

t.test('only whole addresses are mapped', async (t) => {
  t.equal(map('192.0.2.1'), '<192.0.2.1>')
  t.equal(map('https://192.0.2.1:6443/x'), 'https://<192.0.2.1>:6443/x')
  t.equal(map('https://192.0.2.1:2,192.0.2.1'), 'https://A:3,<192.0.2.1>')
  t.equal(map('a=192.0.2.1, "192.0.2.1". 192.0.2.1/32'), 'a=<192.0.2.1>, "<192.0.2.1>". <192.0.2.1>/32')
  for (const other of [
    '192.0.2.10',
    '1192.0.2.1',
    '1.192.0.2.1',
    '192.0.2.1.5',
    'ip-192.0.2.1',
    '192.0.2.1-x',
    '192.0.2.1x',
  ]) {
    t.equal(map(other), other)
  }
  t.equal(map('[2001:db8::1]:99 2001:db8::1 2001:db8::12'), '<2001:db8::1>:99 <2001:db8::1> 2001:db8::12')
})

t.test('arguments and files of a host are mapped by what they mean', async (t) => {
  const { hosts } = await small('kubeadm')
  const addressing = loopbackPlan(
    OCTET,
    hosts.map((host) => host.name),
  )
  const [host] = hosts
  if (!host) throw new Error('the posture has no host')
  const mapping: HostMapping = { host, hosts, addressing, root: '/run/r' }
  const map = (argument: string): string => mapArgument(mapping, 'kube-apiserver', argument)
  t.equal(map('--bind-address=192.0.2.10'), '--bind-address=127.77.1.2')
  t.equal(map('--advertise-address=192.0.2.10'), '--advertise-address=127.77.1.1')
  t.equal(
    map('--etcd-servers=https://192.0.2.21:2379,https://127.0.0.1:2379'),
    '--etcd-servers=https://127.77.2.1:2379,https://127.77.1.3:2379',
  )
  t.equal(map('--bind-address=0.0.0.0'), '--bind-address=0.0.0.0', "a wildcard is the component's to read")
  t.equal(map('--service-cluster-ip-range=10.96.0.0/12'), '--service-cluster-ip-range=10.96.0.0/12')
  t.equal(map('--x=http://localhost:8080/'), '--x=http://127.77.1.3:8080/')
  t.equal(map('--client-ca-file=/etc/kubernetes/pki/ca.crt'), '--client-ca-file=/run/r/etc/kubernetes/pki/ca.crt')
  t.equal(map('--etcd-prefix=/registry'), '--etcd-prefix=/registry')
  t.equal(map('--x=/etc/kubernetes-old/ca.crt'), '--x=/etc/kubernetes-old/ca.crt')
  t.equal(map('--allow-privileged'), '--allow-privileged')
  t.equal(
    mapArgument(mapping, 'etcd', '--cert-file=/certs/server.crt', [
      { mountPath: '/certs', hostPath: '/etc/kubernetes/pki/etcd', create: false },
    ]),
    '--cert-file=/run/r/etc/kubernetes/pki/etcd/server.crt',
    'a path in the container is the host path that is mounted there',
  )
  const config =
    'kind: KubeletConfiguration\naddress: 192.0.2.10\nhealthzBindAddress: 127.0.0.1\nclusterDNS:\n- 192.0.2.10\nstaticPodPath: /etc/kubernetes/manifests\n'
  t.equal(
    mapFileText(mapping, config),
    'kind: KubeletConfiguration\naddress: 127.77.1.2\nhealthzBindAddress: 127.77.1.3\nclusterDNS:\n- 127.77.1.1\nstaticPodPath: /run/r/etc/kubernetes/manifests\n',
  )
})

t.test(
  'kubeadm: certificates and kubeconfigs have the subjects, names and usages that kubeadm gives them',
  async (t) => {
    const rendered = await render(t, await small('kubeadm'))
    const [control, etcd, worker] = ['control-plane-1', 'etcd-1', 'worker-1'].map((name) => rendered.get(name))
    const now = new Date()
    const cas = {
      ca: readFileSync(join(control?.root ?? '', '/etc/kubernetes/pki/ca.crt'), 'utf8'),
      'etcd-ca': readFileSync(join(etcd?.root ?? '', '/etc/kubernetes/pki/etcd/ca.crt'), 'utf8'),
      'front-proxy-ca': readFileSync(join(control?.root ?? '', '/etc/kubernetes/pki/front-proxy-ca.crt'), 'utf8'),
    }
    const client = (rendering: RenderedHost | undefined, file: string): Certificate =>
      parsed(parseKubeconfig(readFileSync(join(rendering?.root ?? '', file), 'utf8')).user.clientCertificateData ?? '')
    const table: [Certificate, keyof typeof cas, string, string[], string[]][] = [
      [certificateAt(control, '/etc/kubernetes/pki/apiserver.crt'), 'ca', 'kube-apiserver', [], ['serverAuth']],
      [
        certificateAt(control, '/etc/kubernetes/pki/apiserver-kubelet-client.crt'),
        'ca',
        'kube-apiserver-kubelet-client',
        [],
        ['clientAuth'],
      ],
      [
        certificateAt(control, '/etc/kubernetes/pki/front-proxy-client.crt'),
        'front-proxy-ca',
        'front-proxy-client',
        [],
        ['clientAuth'],
      ],
      [
        certificateAt(control, '/etc/kubernetes/pki/apiserver-etcd-client.crt'),
        'etcd-ca',
        'kube-apiserver-etcd-client',
        [],
        ['clientAuth'],
      ],
      [
        certificateAt(etcd, '/etc/kubernetes/pki/etcd/server.crt'),
        'etcd-ca',
        'etcd-1',
        [],
        ['serverAuth', 'clientAuth'],
      ],
      [certificateAt(etcd, '/etc/kubernetes/pki/etcd/peer.crt'), 'etcd-ca', 'etcd-1', [], ['serverAuth', 'clientAuth']],
      [
        certificateAt(etcd, '/etc/kubernetes/pki/etcd/healthcheck-client.crt'),
        'etcd-ca',
        'kube-etcd-healthcheck-client',
        [],
        ['clientAuth'],
      ],
      [
        client(control, '/etc/kubernetes/admin.conf'),
        'ca',
        'kubernetes-admin',
        ['kubeadm:cluster-admins'],
        ['clientAuth'],
      ],
      [
        client(control, '/etc/kubernetes/super-admin.conf'),
        'ca',
        'kubernetes-super-admin',
        ['system:masters'],
        ['clientAuth'],
      ],
      [
        client(control, '/etc/kubernetes/controller-manager.conf'),
        'ca',
        'system:kube-controller-manager',
        [],
        ['clientAuth'],
      ],
      [client(control, '/etc/kubernetes/scheduler.conf'), 'ca', 'system:kube-scheduler', [], ['clientAuth']],
      [client(worker, '/etc/kubernetes/kubelet.conf'), 'ca', 'system:node:worker-1', ['system:nodes'], ['clientAuth']],
    ]
    for (const [certificate, ca, commonName, organization, usages] of table) {
      t.match(certificate.subject, { commonName, organization }, commonName)
      t.equal(certificate.subject.organization.length, organization.length, commonName)
      for (const usage of ['clientAuth', 'serverAuth'] as const) {
        const answer = verify([certificate], { roots: certPool(cas[ca]), time: now, usage })
        t.equal(answer.ok, usages.includes(usage), `${commonName} for ${usage}`)
      }
      const others = Object.entries(cas).filter(([name]) => name !== ca)
      for (const [name, pem] of others) {
        t.equal(
          verify([certificate], { roots: certPool(pem), time: now, usage: 'any' }).ok,
          false,
          `${commonName} by ${name}`,
        )
      }
      t.equal(certificate.notAfter.getTime() - certificate.notBefore.getTime(), 8760 * 3_600_000 + 300_000)
    }
    const apiserver = new X509Certificate(readFileSync(join(control?.root ?? '', '/etc/kubernetes/pki/apiserver.crt')))
    t.equal(
      apiserver.subjectAltName,
      'DNS:control-plane-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, ' +
        'DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:127.77.1.1',
    )
    const server = new X509Certificate(readFileSync(join(etcd?.root ?? '', '/etc/kubernetes/pki/etcd/server.crt')))
    t.equal(
      server.subjectAltName,
      'DNS:etcd-1, DNS:localhost, IP Address:127.0.0.1, IP Address:127.77.2.3, IP Address:0:0:0:0:0:0:0:1, IP Address:127.77.2.1',
      'a certificate for 127.0.0.1 also carries the loop of its host',
    )
    const kubeconfig = parseKubeconfig(readFileSync(join(worker?.root ?? '', '/etc/kubernetes/kubelet.conf'), 'utf8'))
    t.match(kubeconfig.cluster, {
      server: 'https://127.77.1.1:6443',
      insecureSkipTlsVerify: false,
      certificateAuthorityData: cas.ca,
    })
    t.strictSame(parsed(cas.ca).dnsNames, ['kubernetes'])
    t.strictSame(parsed(cas['etcd-ca']).subject.commonName, 'etcd-ca')
  },
)

t.test('files carry the modes that kubeadm gives them, whatever the umask', async (t) => {
  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  const rendered = await render(t, await small('kubeadm'))
  const [control, etcd, worker] = ['control-plane-1', 'etcd-1', 'worker-1'].map((name) => rendered.get(name))
  const modes: [RenderedHost | undefined, string, string][] = [
    [control, '/etc/kubernetes', '755'],
    [control, '/etc/kubernetes/manifests', '700'],
    [control, '/etc/kubernetes/manifests/kube-apiserver.yaml', '600'],
    [control, '/etc/kubernetes/pki/ca.crt', '644'],
    [control, '/etc/kubernetes/pki/ca.key', '600'],
    [control, '/etc/kubernetes/pki/sa.key', '600'],
    [control, '/etc/kubernetes/pki/sa.pub', '600'],
    [control, '/etc/kubernetes/admin.conf', '600'],
    [etcd, '/var/lib/etcd', '700'],
    [etcd, '/etc/kubernetes/pki/etcd/ca.key', '600'],
    [worker, '/var/lib/kubelet', '700'],
    [worker, '/var/lib/kubelet/config.yaml', '644'],
    [worker, '/etc/kubernetes/kubelet.conf', '600'],
  ]
  for (const [host, path, mode] of modes) t.equal(modeAt(host, path), mode, path)
})

t.test('the launch list is path-mapped arguments, a version and nothing else', async (t) => {
  const rendered = await render(t, await small('kubeadm'))
  const launches = [...rendered.values()].flatMap((host) => host.launches)
  t.strictSame(
    launches.map(({ component, host, version }) => `${component} ${version} on ${host}`),
    [
      'kube-apiserver 1.36.3 on control-plane-1',
      'kube-scheduler 1.36.3 on control-plane-1',
      'kube-controller-manager 1.36.3 on control-plane-1',
      'etcd 3.6.8 on etcd-1',
      'kubelet 1.36.3 on worker-1',
      'kubelet 1.36.3 on worker-2',
    ],
  )
  const root = rendered.get('etcd-1')?.root ?? ''
  t.match(launches[3]?.args, [
    '--advertise-client-urls=https://127.77.2.1:2379',
    `--cert-file=${root}/etc/kubernetes/pki/etcd/server.crt`,
    '--client-cert-auth=true',
    `--data-dir=${root}/var/lib/etcd`,
  ])
  t.ok(launches[3]?.args.includes('--listen-client-urls=https://127.77.2.3:2379,https://127.77.2.2:2379'))
  t.ok(launches[5]?.args.includes('--node-ip=127.77.4.1'))
  t.ok(launches[5]?.args.includes('--hostname-override=worker-2'))
  const manifest = readManifest('x', readFileSync(join(root, '/etc/kubernetes/manifests/etcd.yaml'), 'utf8'))
  t.strictSame(manifest?.args, launches[3]?.args, 'the manifest in the folder shows what is started')
  for (const { args } of launches) t.notMatch(args.join(' '), /192\.0\.2\.|[=,]\/(etc|var)\//)
})

t.test('etcd settings may come from the environment of its Pod', async (t) => {
  const posture = await small('kubeadm')
  const file = 'hosts/etcd-1/etc/kubernetes/manifests/etcd.yaml'
  const text = (posture.files.get(file) ?? '')
    .replace(/ {4}- --listen-client-urls=.*\n/, '')
    .replace(
      '    image:',
      '    env:\n    - name: ETCD_LISTEN_CLIENT_URLS\n      value: https://192.0.2.21:2379\n    image:',
    )
  const launch = (await render(t, withFile(posture, file, text))).get('etcd-1')?.launches[0]
  t.strictSame(launch?.environment, { ETCD_LISTEN_CLIENT_URLS: 'https://127.77.2.2:2379' })
})

t.test('a later year is certificates of an earlier one', async (t) => {
  const posture = await small('kubeadm')
  const addresses = loopbackPlan(
    OCTET,
    posture.hosts.map((host) => host.name),
  )
  const now = new Date('2025-01-01T00:00:00Z')
  const { files } = await issuePostureMaterial(posture, addresses, { now })
  const apiserver = files.get('control-plane-1')?.find(({ path }) => path === '/etc/kubernetes/pki/apiserver.crt')
  t.equal(parsed(apiserver?.text ?? '').notAfter.toISOString(), '2026-01-01T00:00:00.000Z')
})

function keyOf(yaml: string): string {
  return /secret: (\S+)/.exec(yaml)?.[1] ?? ''
}

t.test('keys of encryption at rest are drawn for each run, on all hosts alike', async (t) => {
  const text = (await loadPosture('hardened')).files.get('hosts/control-plane/etc/kubernetes/enc/enc.yaml') ?? ''
  const seeds = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  const [one, two] = seeds.map((seed) => freshEncryptionKeys(text, seed))
  t.not(keyOf(one ?? ''), keyOf(text))
  t.not(keyOf(one ?? ''), keyOf(two ?? ''))
  t.equal(freshEncryptionKeys(text, seeds[0] ?? Buffer.alloc(0)), one)
  t.equal(Buffer.from(keyOf(one ?? ''), 'base64').length, 32)
  const bad = text.replace(/secret: \S+/, 'secret: c2hvcnQ=')
  t.equal(freshEncryptionKeys(bad, seeds[0] ?? Buffer.alloc(0)), bad, 'a key that will be refused stays')
})

t.test('cluster objects come in order of file name, in the addresses of the run', async (t) => {
  const posture = withFile(await small('open'), 'cluster/05-first.yaml', 'a: 192.0.2.31\nb: 127.0.0.1\n')
  const objects = renderClusterObjects(
    posture,
    loopbackPlan(
      OCTET,
      posture.hosts.map((host) => host.name),
    ),
  )
  t.equal(objects[0], 'a: 127.77.3.1\nb: 127.0.0.1\n')
  t.match(objects[1], /name: shop/)
})

t.test('differences are told as flags and lines', async (t) => {
  const posture = await small('kubeadm')
  const text = posture.files.get(APISERVER_YAML) ?? ''
  const other = withFile(posture, APISERVER_YAML, setFlag('x', text, 'anonymous-auth', 'false'))
  t.strictSame(comparePostures(posture, other), ['kube-apiserver (control-plane): + --anonymous-auth=false'])
  t.strictSame(comparePostures(other, posture), ['kube-apiserver (control-plane): - --anonymous-auth=false'])
  const config = 'hosts/worker/var/lib/kubelet/config.yaml'
  const opened = withFile(posture, config, (posture.files.get(config) ?? '').replace('enabled: false', 'enabled: true'))
  t.strictSame(comparePostures(posture, opened), [`${config}:4: - enabled: false`, `${config}:4: + enabled: true`])
  t.strictSame(comparePostures(posture, withFile(posture, 'cluster/x.yaml', 'a: 1\n')), ['cluster/x.yaml: + the file'])
  t.strictSame(comparePostures(posture, posture), [])
})

t.test('openssl agrees that what was issued hangs together', async (t) => {
  const rendered = await render(t, await loadPosture('hardened'))
  const worker = rendered.get('worker-1')?.root ?? ''
  const files = ['-CAfile', `${worker}/etc/kubernetes/pki/ca.crt`, `${worker}/var/lib/kubelet/pki/kubelet.crt`]
  const answer = spawnSync('openssl', ['verify', '-purpose', 'sslserver', ...files], { encoding: 'utf8' })
  if (answer.error) t.comment('openssl is not installed')
  else t.match(answer.stdout, /OK\n$/)
  const { subject, dnsNames } = certificateAt(rendered.get('worker-1'), '/var/lib/kubelet/pki/kubelet.crt')
  t.equal(subject.commonName, 'system:node:worker-1')
  t.strictSame(dnsNames, ['worker-1'])
})

t.test('static tokens are drawn anew for each run, the same in every file of it', async (t) => {
  const encrypted = await loadPosture('encrypted')
  const tokensOf = async (t: Test): Promise<{ listed: string[]; shown: string[] }> => {
    const rendered = await render(t, encrypted)
    const control = rendered.get('control-plane-1')?.root ?? ''
    const csv = readFileSync(join(control, '/etc/kubernetes/tokens.csv'), 'utf8')
    const shown = ['control-plane-1', 'worker-1', 'worker-2'].flatMap((host) =>
      [...(rendered.get(host)?.files ?? [])]
        .filter(([path]) => path.endsWith('.conf'))
        .map(([, text]) => /token: (\S+)/.exec(text)?.[1] ?? ''),
    )
    return {
      listed: csv
        .trim()
        .split('\n')
        .map((line) => line.split(',')[0] ?? ''),
      shown,
    }
  }
  const [one, other] = [await tokensOf(t), await tokensOf(t)]
  t.strictSame(one.shown.toSorted(), one.listed.toSorted())
  t.equal(new Set([...one.listed, ...other.listed]).size, one.listed.length * 2, 'no token is used twice')
  t.ok(one.listed.every((token) => /^[0-9a-f]{64}$/.test(token)))
})

t.test(
  'one authority for each relation, their keys on no machine, and a revocation list as etcd reads it',
  async (t) => {
    const strict = await loadPosture('zero-trust')
    const rendered = await render(t, strict)
    for (const { files } of rendered.values())
      t.strictSame(
        [...files.keys()].filter((path) => path.endsWith('ca.key')),
        [],
      )
    const crl = readFileSync(join(rendered.get('etcd-1')?.root ?? '', '/etc/kubernetes/pki/etcd/clients.crl'))
    t.strictSame(parseRevocationList(crl).revoked, [])
    t.equal(signingAuthority(strict.pki, 'ca', ['clientAuth']), 'client-ca')
    t.equal(signingAuthority(strict.pki, 'ca', ['serverAuth']), 'apiserver-ca')
    t.equal(signingAuthority(strict.pki, 'etcd-ca', ['clientAuth']), 'etcd-ca')
    const { pki } = await small('kubeadm')
    t.equal(signingAuthority(pki, 'ca', ['clientAuth']), 'ca')
    t.equal(signingAuthority(pki, 'ca', ['serverAuth']), 'ca')
  },
)

t.test('three members of etcd, or as many as are asked for', async (t) => {
  for (const name of await shippedPostures()) {
    const three = await loadPosture(name)
    const names = (posture: Posture): string[] =>
      posture.hosts.filter(({ role }) => role === 'etcd').map((host) => host.name)
    t.strictSame(names(three), ['etcd-1', 'etcd-2', 'etcd-3'], name)
    t.ok(withEtcdMembers(three, 3) === three)
    const one = withEtcdMembers(three, 1)
    t.strictSame(names(one), ['etcd-1'])
    t.notMatch([...one.files.values()].join('\n'), /etcd-2|192\.0\.2\.2[23]/, `${name}: nothing speaks of who is gone`)
  }
  const three = await loadPosture('kubeadm')
  t.match(flagOf(withEtcdMembers(three, 2), 'etcd', 'initial-cluster'), /^etcd-1=[^,]+,etcd-2=[^,]+$/)
  for (const count of [0, -1, 1.5, NaN]) {
    t.throws(() => withEtcdMembers(three, count), {
      message: /^\[etcd_members\] etcd: a cluster has a whole number of members/,
    })
  }
})

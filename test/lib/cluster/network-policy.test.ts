/** Who may dial whom, from posture.yaml to the wire. */
import t from 'tap'
import { connect } from 'node:net'
import { loopbackPlan } from '../../../lib/cluster/addresses.ts'
import { ATTACKER_HOST } from '../../../lib/cluster/cluster.ts'
import { networkPolicy } from '../../../lib/cluster/network-policy.ts'
import { startCluster } from '../../../lib/cluster/start-cluster.ts'
import { withEtcdMembers } from '../../../lib/posture/etcd-members.ts'
import { loadPosture, withFile, type Posture } from '../../../lib/posture/posture.ts'
import { readPostureFile } from '../../../lib/posture/posture-file.ts'
import { listenPlain } from '../../../lib/tls/plain.ts'
import { Wire } from '../../../lib/wire/control.ts'

const POSTURE = `
title: Separated
standsFor: a test
hosts:
  control-plane:
  - {name: control-plane-1, address: 192.0.2.10}
  etcd:
  - {name: etcd-1, address: 192.0.2.21}
  worker:
  - {name: worker-1, address: 192.0.2.31}
  - {name: worker-2, address: 192.0.2.32}
`

const SEPARATED = `${POSTURE}network:
  allow:
  - {from: anyone, to: control-plane, ports: [6443]}
  - {from: control-plane, to: etcd, ports: [2379, 2381]}
  - {from: control-plane, to: worker}
  - {from: worker-1, to: worker-2, ports: [10250]}
`

t.test('roles become their hosts, no ports mean all of them, anyone means no source is asked for', async (t) => {
  t.equal(networkPolicy(readPostureFile('posture.yaml', `${POSTURE}network: {allow: everything}\n`)), undefined)
  t.equal(networkPolicy(readPostureFile('posture.yaml', POSTURE)), undefined)
  const always = [
    { from: 'operator' },
    { from: 'control-plane-1', to: 'control-plane-1' },
    { from: 'etcd-1', to: 'etcd-1' },
    { from: 'worker-1', to: 'worker-1' },
    { from: 'worker-2', to: 'worker-2' },
  ]
  t.strictSame(networkPolicy(readPostureFile('posture.yaml', `${POSTURE}network: {allow: []}\n`)), always)
  t.strictSame(networkPolicy(readPostureFile('posture.yaml', SEPARATED)), [
    ...always,
    { to: 'control-plane-1', port: 6443 },
    { from: 'control-plane-1', to: 'etcd-1', port: 2379 },
    { from: 'control-plane-1', to: 'etcd-1', port: 2381 },
    { from: 'control-plane-1', to: 'worker-1' },
    { from: 'control-plane-1', to: 'worker-2' },
    { from: 'worker-1', to: 'worker-2', port: 10250 },
  ])
})

t.test('the wire lets through exactly that', async (t) => {
  const posture = readPostureFile('posture.yaml', SEPARATED)
  const plan = loopbackPlan(251, [...posture.hosts.map(({ name }) => name), 'attacker'])
  const wire = await Wire.start(plan.hosts)
  t.teardown(() => wire.stop())
  await wire.allow(networkPolicy(posture))
  const sources = ['127.0.0.1', '127.251.99.1', ...plan.hosts.map(({ face }) => face)]
  const callers = ['operator', 'unknown', ...plan.hosts.map(({ name }) => name)]
  /** Who of all callers reaches that port, by name. */
  const reach = async (host: string, port: number): Promise<string[]> => {
    const { face, back } = plan.host(host)
    const listener = await listenPlain({ address: back, port, onConnection: (socket) => socket.end('here') })
    await wire.open(host, port)
    const answers = await Promise.all(sources.map((localAddress) => answer(face, port, localAddress)))
    await wire.close(host, port)
    await listener.close()
    return callers.filter((_, index) => answers[index] === 'here')
  }
  t.strictSame(await reach('control-plane-1', 6443), callers, 'anyone reaches kube-apiserver')
  t.strictSame(await reach('etcd-1', 2379), ['operator', 'control-plane-1', 'etcd-1'])
  t.strictSame(await reach('etcd-1', 2380), ['operator', 'etcd-1'], 'a port that no rule names')
  t.strictSame(await reach('worker-2', 10250), ['operator', 'control-plane-1', 'worker-1', 'worker-2'])
  t.strictSame(await reach('worker-1', 10250), ['operator', 'control-plane-1', 'worker-1'], 'not the other way round')
  const refused = (await wire.ledger({ from: 'attacker' })).map(({ to, port, ended }) => `${to}:${port} ${ended}`)
  t.strictSame(refused, [
    'control-plane-1:6443 closed',
    'etcd-1:2379 refused: route',
    'etcd-1:2380 refused: route',
    'worker-2:10250 refused: route',
    'worker-1:10250 refused: route',
  ])
})

t.test('a cluster stands behind its policy, and changes it with its posture', async (t) => {
  const kubeadm = withEtcdMembers(await loadPosture('kubeadm'), 1)
  const allowing = (rules: string): Posture =>
    withFile(
      kubeadm,
      'posture.yaml',
      kubeadm.files.get('posture.yaml')!.replace('allow: everything', `allow:\n${rules}`),
    )
  const separated = allowing(`  - {from: anyone, to: control-plane, ports: [6443]}
  - {from: control-plane, to: etcd, ports: [2379]}
  - {from: control-plane, to: worker, ports: [10250]}
`)
  const cluster = await startCluster(separated)
  t.teardown(() => cluster.stop())
  const reach = (host: string, port: number): Promise<string> =>
    answer(cluster.plan.host(host).face, port, cluster.plan.host(ATTACKER_HOST).face, 'GET / HTTP/1.1\r\n\r\n')
  const answers = async (): Promise<string[]> => [
    await reach('control-plane-1', 6443),
    await reach('etcd-1', 2379),
    await reach('worker-1', 10250),
  ]
  const [apiserver, etcd, kubelet] = await answers()
  t.match(apiserver, /^HTTP\/1\.0 400 Bad Request/, 'kube-apiserver is there for anyone')
  t.strictSame([etcd, kubelet], ['ECONNRESET', 'ECONNRESET'], 'all else is not')
  await cluster.become(kubeadm)
  t.match(await reach('worker-1', 10250), /^HTTP\/1\.0 400 Bad Request/, 'until the posture allows it')
})

/** What is read there, or the error's code. */
function answer(host: string, port: number, localAddress: string, said = ''): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress }).setEncoding('utf8')
    if (said !== '') socket.write(said)
    let text = ''
    socket.on('data', (chunk: string) => (text += chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.on('end', () => resolve(text))
  })
}

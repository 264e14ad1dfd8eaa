/**
 * uid 64002 of the machine  --http, 127.0.0.1:8001-->  kubectl proxy of its administrator  --TLS-->  kube-apiserver
 */

import { secretPath } from '../../lib/attacker/reach-goal.ts'
import type { LocalProxy } from '../../lib/cluster/local-proxy.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const PORT = 8001
const [TCP, SOCKET] = ['--port=8001', '--unix-socket']
const through: Expectation = { kind: 'through' }

const proxies = new Map<string, LocalProxy>()

export default scenario({
  title: `Borrow the administrator's tunnel`,
  story: `An administrator runs kubectl proxy on a shared machine. At its local end it asks nobody who he is: another user of the machine has
the administrator's rights while it runs. A socket in a folder of the administrator's own has an owner; a port has none.`,
  refs: [
    'kubectl proxy --port, --unix-socket',
    'KHV049',
    'kubernetes.io/docs/tasks/extend-kubernetes/http-proxy-access-api/',
  ],
  attack: ['T1133', 'T1563'],
  variants: [
    {
      id: 'a',
      title: 'another user of the same machine',
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: 'control-plane-1', uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'secret' },
      target: TCP,
      expect: { open: through, encrypted: through, kubeadm: through, hardened: through, 'zero-trust': through },
      twin: { through: { target: SOCKET } },
    },
  ],
  async meanwhile(operator, { target, secret }) {
    const listen = operator.localhost('control-plane-1', PORT)
    await proxies.get(listen.address)?.close()
    proxies.delete(listen.address)
    if (target === TCP) proxies.set(listen.address, await operator.proxy(listen))
    else await (await operator.proxy({ socket: `\0mtls-range-${listen.address}-${secret}` })).close()
  },
  async attempt(world) {
    await world.meanwhile()
    const path = secretPath(world.goal)
    return [(await world.request(`http://${world.network.own.loop}:${PORT}`, { path })).body]
  },
})

/**
 * uid 64002 of the machine   --http, 127.0.0.1:8001-->  kubectl proxy of its administrator  --TLS-->  kube-apiserver
 * a host of the network      --http, port 8001------->
 * a page in his own browser  --http, 127.0.0.1:8001-->
 */

import { secretPath } from '../../lib/attacker/reach-goal.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { STRANGER } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged } from '../../lib/scenario/scenario.ts'

const NEIGHBOUR_UID = 64002
const BROWSER_UID = 64003
const HOST = 'control-plane-1'
const PORT = 8001
const TCP = '--port=8001'
const SOCKET = '--unix-socket'
const EVERYWHERE = '--address=0.0.0.0'
const UNFILTERED = '--disable-filter'
const through: Expectation = { kind: 'through' }
const filtered: Expectation = { kind: 'stopped', by: 'kubectl', layer: 'app', code: 'Forbidden' }

async function proxyAs(operator: Operator, { target, secret }: Staged): Promise<void> {
  const loop = operator.localhost(HOST, PORT)
  if (target === SOCKET) await operator.proxy({ listen: { socket: `\0mtls-range-${loop.address}-${secret}` } })
  else {
    const listen = target === EVERYWHERE ? await operator.everywhere(HOST, PORT) : loop
    await operator.proxy({ listen, disableFilter: target === UNFILTERED })
  }
}

export default scenario({
  title: `Borrow the administrator's tunnel`,
  story: `An administrator runs kubectl proxy on a shared machine. At its local end it asks nobody who he is: another user of the machine has
the administrator's rights while it runs. A socket in a folder of the administrator's own has an owner; a port has none. What it does
look at is the Host that is asked for, which a page in a browser cannot choose, as its own name was made to mean 127.0.0.1; anybody else
says localhost.`,
  refs: [
    'kubectl proxy --port, --address, --unix-socket, --accept-hosts, --disable-filter',
    'KHV049',
    'CVE-2018-1098, CVE-2018-1099 (the same of etcd)',
    'kubernetes.io/docs/tasks/extend-kubernetes/http-proxy-access-api/',
  ],
  attack: ['T1133', 'T1563'],
  variants: [
    {
      id: 'a',
      title: 'another user of the same machine',
      foothold: {
        name: 'neighbour',
        stands: { on: 'machine', host: HOST, uid: NEIGHBOUR_UID },
        holds: {},
      },
      goal: { read: 'secret' },
      target: TCP,
      expect: { open: through, encrypted: through, kubeadm: through, hardened: through, 'zero-trust': through },
      twin: { through: { target: SOCKET } },
    },
    {
      id: 'b',
      title: 'a host of the network, as the proxy listens everywhere',
      foothold: STRANGER,
      goal: { read: 'secret' },
      target: EVERYWHERE,
      expect: { open: through, encrypted: through, kubeadm: through, hardened: through, 'zero-trust': through },
      twin: { through: { target: TCP } },
    },
    {
      id: 'c',
      title: `a page in the administrator's browser, whose name means 127.0.0.1 by now`,
      foothold: {
        name: 'page',
        stands: { on: 'machine', host: HOST, uid: BROWSER_UID },
        holds: {},
      },
      goal: { read: 'secret' },
      target: TCP,
      expect: { open: filtered, encrypted: filtered, kubeadm: filtered, hardened: filtered, 'zero-trust': filtered },
      twin: { stopped: { target: UNFILTERED } },
    },
  ],
  prepare: proxyAs,
  async attempt(world, variant) {
    const { own, hosts } = world.network
    const address = variant === 'b' ? hosts[HOST] : own.loop
    // A browser says the name that the page came by.
    const name = variant === 'c' ? 'page.example' : 'localhost'
    const request = { path: secretPath(world.goal), headers: { Host: `${name}:${PORT}` } }
    return [(await world.request(`http://${address}:${PORT}`, request)).body]
  },
})

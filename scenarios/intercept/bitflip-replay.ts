/**
 * kubelet of worker-2  --a record changed or replayed-->  kube-apiserver
 *                      <--the end before the end--
 */

import type { Operator } from '../../lib/cluster/operator.ts'
import type { Edit, Fault } from '../../lib/wire/fault.ts'
import { onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'
import { emptySecret, staleView } from '../../lib/scenario/stale-kubelet.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const THROUGH: Expectation = { kind: 'through' }
const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'tls-alert', code: 'bad_record_mac' }
/** A client without a certificate has one sealed record in its handshake: what comes after it no component witnesses yet. */
const UNHEARD: Expectation = { notApplicable: 'control not simulated: a word about records after the handshake' }
const APPLICATION_DATA = 23

/** The first sealed record of a client: at TLS 1.3 a part of its handshake. */
const RECORD = { type: APPLICATION_DATA, index: 0 }
const EDITS: Readonly<Record<string, Edit>> = {
  flip: { act: 'flip', record: RECORD },
  replay: { act: 'replay', record: RECORD },
}

/** A kubelet that was cut off takes a moment to come back with what it has to report. */
const PATIENCE_MS = 5000
const pause = () => new Promise((resolve) => setTimeout(resolve, 50))

/** What passed is stored a moment later. */
const SETTLE_MS = 600

async function isReported(operator: Operator, { namespace }: Staged, mark: string): Promise<boolean> {
  const end = Date.now() + SETTLE_MS
  do {
    const { text } = await operator.client.request({ path: `/api/v1/namespaces/${namespace}/pods` })
    if (text.includes(mark)) return true
    await pause()
  } while (Date.now() < end)
  return false
}

/** The server's first flight is longer, with TLS and without. */
const CUT: Fault = { kind: 'cut', direction: 'toCaller', afterBytes: 512 }
const [EVERY, ONCE] = ['every connection', 'the connections of one moment']

function variant(id: string, title: string, encrypted: Expectation = REFUSED): Variant {
  return {
    id,
    title,
    foothold: onPathWith('nothing but the path', LINK, {}),
    goal: { write: 'a container id of the attacker in a Pod', node: 'worker-2', placed: isReported },
    expect: {
      open: { kind: 'through' },
      encrypted,
      kubeadm: REFUSED,
      hardened: REFUSED,
      'zero-trust': REFUSED,
    },
    twin: {
      through: { restore: 'apiserver-tls' },
      stopped: {
        foothold: onPathWith('the path, apiserver.key and the kubelet’s', LINK, {
          'impostor.crt': { stolen: '/etc/kubernetes/pki/apiserver.crt', host: 'control-plane-1' },
          'impostor.key': { stolen: '/etc/kubernetes/pki/apiserver.key', host: 'control-plane-1' },
          credential: { stolen: '/etc/kubernetes/kubelet.conf', host: 'worker-2' },
        }),
      },
    },
  }
}

export default scenario({
  title: 'Tamper with records',
  story: `Somebody on the path wants a kubelet to report what is not so. In the clear it writes over what passes; of TLS it can only spoil
records, and the first that is spoilt or repeated is the last that is taken. It can end a connection before its end as well: HTTP says how
long an answer is, so nobody takes the part for the whole; but who hears no more knows no more.`,
  refs: ['RFC 8446 sections 5.2 and 6.1', 'RFC 5246 section 6.2.3.3', 'RFC 9112 section 8'],
  attack: ['T1565.002', 'T1557'],
  variants: [
    variant('flip', 'one bit of one record'),
    variant('replay', 'a record comes twice', UNHEARD),
    {
      id: 'truncate',
      title: 'a FIN without a close_notify: a kubelet whose view grows stale',
      foothold: onPathWith('nothing but the path', LINK, {}),
      goal: staleView('worker-2'),
      target: EVERY,
      expect: { open: THROUGH, encrypted: THROUGH, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
      // What was cut off is not taken for the whole: the kubelet dials again and asks for all of it.
      twin: { through: { target: ONCE } },
    },
  ],
  prepare: emptySecret,
  async meanwhile(operator, goal) {
    await operator.startCourier(goal)
  },
  async attempt(world, variant) {
    if (variant === 'truncate') {
      await world.disturb([CUT])
      if (world.target === ONCE) await world.disturb([])
      return []
    }
    const hasKeys = await world.holds('impostor.key')
    const writing = { isDone: false }
    const written = new RegExp(`(containerd://)[0-9a-f]{${world.mark.length}}`, 'g')
    const isOpen = hasKeys || world.network.apiserver.startsWith('http:')
    await world.intercept({
      ...(hasKeys ? { certificate: 'impostor' } : {}),
      relayTo: world.network.apiserver,
      faults: hasKeys ? [] : [{ kind: 'tamper', direction: 'toCallee', edit: EDITS[variant] ?? EDITS['flip']! }],
      change: (direction, piece) => {
        const text = piece.toString('latin1')
        if (direction !== 'toCallee' || !written.test(text)) return piece
        writing.isDone = true
        return Buffer.from(text.replace(written, `$1${world.mark}`), 'latin1')
      },
    })
    await world.meanwhile()
    const end = Date.now() + (isOpen ? PATIENCE_MS : 0)
    while (!writing.isDone && Date.now() < end) await pause()
    return []
  },
})

/**
 * kubelet of worker-2  --ClientHello, TLS 1.3 taken out on the way-->  kube-apiserver
 */
import { onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const TLS_1_2 = 0x0303
const REFUSED: Expectation = { kind: 'stopped', by: 'kubelet', layer: 'tls-alert', code: 'illegal_parameter' }

export default scenario({
  title: 'Push the link down',
  story: `Somebody on the path edits the ClientHello so that it offers nothing above TLS 1.2. The server takes what it is offered and says so in
its random; the client, which did offer more, ends the handshake.`,
  refs: ['RFC 8446 section 4.1.3 (downgrade sentinel)', 'RFC 8446 section 4.4.4', 'crypto/tls handshake_client.go'],
  attack: ['T1557', 'T1562.010'],
  variants: [
    {
      id: 'strip',
      title: 'supported_versions without TLS 1.3',
      foothold: onPathWith('nothing but the path', LINK, {}),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: REFUSED,
        kubeadm: REFUSED,
        hardened: REFUSED,
        // Nothing is left that both could speak.
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'tls-alert', code: 'protocol_version' },
      },
      twin: {
        through: { restore: 'apiserver-tls' },
        stopped: {
          foothold: onPathWith('the path and apiserver.key', LINK, {
            'impostor.crt': { stolen: '/etc/kubernetes/pki/apiserver.crt', host: 'control-plane-1' },
            'impostor.key': { stolen: '/etc/kubernetes/pki/apiserver.key', host: 'control-plane-1' },
          }),
        },
      },
    },
  ],
  async meanwhile(operator, goal) {
    await operator.makeKubeletTalk(goal)
  },
  async attempt(world) {
    const hasKey = await world.held('impostor.key').then(
      () => true,
      () => false,
    )
    const impostor = await world.intercept({
      ...(hasKey ? { certificate: 'impostor' } : {}),
      relayTo: world.network.apiserver,
      faults: [{ kind: 'tamper', direction: 'toCallee', edit: { act: 'strip-versions', above: TLS_1_2 } }],
    })
    await world.meanwhile()
    await impostor.seen(['"kind":"TokenReview"', '"kind":"Secret"'])
    return impostor.loot()
  },
})

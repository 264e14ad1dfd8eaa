/**
 * kubelet of worker-2  ===TLS 1.3===>  kube-apiserver, started with SSLKEYLOGFILE
 *                         |
 *                        tap
 */
import { tapOn, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }

export default scenario({
  title: 'Ask the process for its keys',
  story: `Somebody turned on a key log to debug a handshake and forgot it. Forward secrecy keeps no secret that the process writes down itself.`,
  refs: ['RFC 9850 (SSLKEYLOGFILE)', 'crypto/tls Config.KeyLogWriter'],
  attack: ['T1040', 'T1552.001'],
  variants: [
    {
      id: 'c',
      title: 'a key log beside the recording',
      foothold: tapWithKeys(LINK),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { notApplicable: 'there is nothing to decrypt: the link is plain HTTP (tap-link)' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { foothold: tapOn(LINK) } },
    },
  ],
  async attempt(world) {
    await world.meanwhile()
    return world.capture()
  },
})

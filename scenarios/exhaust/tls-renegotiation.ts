/**
 * administrator's own connection at TLS 1.2  --a second ClientHello within it-->  kube-apiserver
 */
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const REFUSED: Expectation = {
  kind: 'stopped',
  by: 'kube-apiserver',
  layer: 'tls-alert',
  code: 'no_renegotiation',
}
const [AGAIN, ONCE] = ['a second handshake', 'one handshake']

export default scenario({
  title: 'Ask again and again',
  story: `Within one connection of TLS 1.2 a client may ask for another handshake, and another: each costs the server a signature and the client
next to nothing. Go's servers grant none; TLS 1.3 has no such thing.`,
  refs: ['CVE-2011-1473', 'RFC 5746', 'crypto/tls conn.go handleRenegotiation'],
  attack: ['T1499'],
  variants: [
    {
      id: 'a',
      title: 'a request after a second handshake',
      foothold: bearerOf('administrator', {
        signedBy: 'ca',
        commonName: 'kubernetes-admin',
        organizations: ['system:masters'],
        usages: ['clientAuth'],
      }),
      goal: { read: 'secret' },
      target: AGAIN,
      expect: {
        open: { notApplicable: 'the API is plain HTTP' },
        encrypted: { notApplicable: 'no client certificate is taken' },
        kubeadm: REFUSED,
        hardened: REFUSED,
        'zero-trust': { notApplicable: 'TLS 1.3 alone: there is no renegotiation to ask for' },
      },
      twin: { stopped: { target: ONCE } },
    },
  ],
  async attempt(world) {
    const request = { path: secretPath(world.goal) }
    const again = world.target === AGAIN
    return [(again ? await world.renegotiate(world.network.apiserver, request) : await world.api(request)).body]
  },
})

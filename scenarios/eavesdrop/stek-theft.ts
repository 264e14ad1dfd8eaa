/**
 * a tool of yesterday  ===TLS 1.2, ECDHE===>  kube-apiserver          later: all of its disk  -->  the recording
 *                          |
 *                         tap
 */
import { tapWith, tapWithKeys } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'operator', to: 'control-plane-1' }
const SEALED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'ciphertext' }

export default scenario({
  title: 'One ticket key opens many sessions',
  story: `At TLS 1.2 a server hands out session tickets in the clear, with the master secret inside, sealed by one key. Where that key is a file,
a thief of the file reads every session, ECDHE or not. kube-apiserver keeps none: Go makes ticket keys in memory and turns them over.`,
  refs: ['RFC 5077 section 4', 'RFC 8446 section 2.2 (psk_dhe_ke)', 'crypto/tls Config.SetSessionTicketKeys'],
  attack: ['T1040', 'T1552.004'],
  variants: [
    {
      id: 'a',
      title: `every file of the control plane's disk is tried as the key`,
      foothold: tapWith('tap, and the disk a month later', LINK, {
        disk: { stolenFolder: '/etc/kubernetes', host: 'control-plane-1' },
      }),
      goal: { read: 'word', what: 'what a tool sent a month ago' },
      expect: {
        open: { notApplicable: 'there is nothing to decrypt: the link is plain HTTP (tap-link)' },
        kubeadm: SEALED,
        hardened: SEALED,
        encrypted: { notApplicable: 'control not simulated: a ticket key in a file, which no component of ours reads' },
        'zero-trust': { notApplicable: 'TLS 1.3 alone: no ticket with a master secret crosses in the clear' },
      },
      twin: { stopped: { foothold: tapWithKeys(LINK) } },
    },
  ],
  async meanwhile(operator, { namespace, secret, canary }) {
    const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: secret, namespace }, data: { note: canary } }
    await operator.use({
      tool: 'backup-tool',
      path: `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`,
      body: JSON.stringify(note),
      canary,
      policy: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
    })
  },
  async attempt(world) {
    await world.meanwhile()
    return world.capture()
  },
})

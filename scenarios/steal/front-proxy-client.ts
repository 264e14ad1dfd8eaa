/**
 * front-proxy-client's key  --TLS, X-Remote-User: whoever-->  kube-apiserver  -->  every Secret
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { bearerOf, thiefOfPair } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const THIEF = thiefOfPair('front-proxy-client')
const SAME_NAME = bearerOf('the same name, signed by itself', {
  signedBy: 'self',
  commonName: 'front-proxy-client',
  usages: ['clientAuth'],
})

export default scenario({
  title: 'Be anyone',
  story: `The key of the aggregation proxy was stolen. kube-apiserver believes whatever name its bearer writes into a header, so this
pair is worth as much as the cluster's CA, and the audit log writes the name that was made up.`,
  refs: [
    'kube-apiserver --requestheader-client-ca-file',
    'apiserver/pkg/authentication/request/headerrequest/requestheader.go',
  ],
  cis: ['1.1.21'],
  attack: ['T1550'],
  variants: [
    {
      id: 'a',
      title: 'GET of a Secret as system:masters',
      foothold: THIEF,
      goal: { read: 'secret' },
      expect: {
        open: { notApplicable: 'what comes by plain HTTP shows no certificate, and needs none' },
        encrypted: { notApplicable: 'it believes no front proxy: there is no authority for one' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { foothold: SAME_NAME } },
    },
  ],
  async attempt(world) {
    const headers = { 'X-Remote-User': 'kubernetes-admin', 'X-Remote-Group': 'system:masters' }
    return secretByApi(world, { headers })
  },
})

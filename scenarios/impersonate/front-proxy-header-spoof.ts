/**
 * stranger or worker-1  --TLS, X-Remote-Group: system:masters-->  kube-apiserver (believes only its front proxy)
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { bearerOf, fallen, STRANGER } from '../../lib/scenario/footholds.ts'
import type { Foothold, MintedCertificate } from '../../lib/attacker/foothold.ts'
import { scenario, type Expectation } from '../../lib/scenario/scenario.ts'

const stopped = (layer: '401' | '403-rbac' | '403-node', code: string): Expectation => ({
  kind: 'stopped',
  by: 'kube-apiserver',
  layer,
  code,
})
const UNKNOWN = stopped('401', 'Unauthorized')
const NO_PROXY = { notApplicable: 'it believes no front proxy: there is no authority for one' }

const SUBJECT = { commonName: 'front-proxy-client', usages: ['clientAuth'] } as const
const PROXY: Foothold = bearerOf('the front proxy itself', { signedBy: 'front-proxy-ca', ...SUBJECT })
const OTHER_NAME: MintedCertificate = { signedBy: 'front-proxy-ca', commonName: 'metrics', usages: ['clientAuth'] }

export default scenario({
  title: 'X-Remote-Group: system:masters',
  story: `An aggregation proxy tells kube-apiserver by headers who its caller is. The attacker writes the headers himself. Two
settings stand in the way, and either one is enough: an authority of its own for proxies, and the list of their names.`,
  refs: [
    'kube-apiserver --requestheader-client-ca-file, --requestheader-allowed-names',
    'apiserver/pkg/authentication/request/headerrequest/requestheader.go',
    'NCC-E003660-F9W (kubernetes/kubernetes#119267)',
  ],
  attack: ['T1550', 'T1134'],
  variants: [
    {
      id: 'a',
      title: 'with no certificate',
      foothold: STRANGER,
      goal: { read: 'secret' },
      expect: {
        open: { kind: 'through' },
        encrypted: NO_PROXY,
        kubeadm: stopped('403-rbac', 'Forbidden'),
        hardened: UNKNOWN,
        'zero-trust': UNKNOWN,
      },
      twin: { through: { restore: ['apiserver-tls', 'authorization-mode'] }, stopped: { foothold: PROXY } },
    },
    {
      id: 'b',
      title: `with a kubelet's certificate`,
      foothold: fallen('worker-1'),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: NO_PROXY,
        kubeadm: stopped('403-node', 'Forbidden'),
        hardened: stopped('403-node', 'Forbidden'),
        'zero-trust': stopped('403-node', 'Forbidden'),
      },
      twin: { through: { restore: ['apiserver-tls', 'authorization-mode'] }, stopped: { foothold: PROXY } },
    },
    {
      id: 'c',
      title: `with a certificate of the proxies' authority, in another name`,
      foothold: bearerOf('another of its clients', OTHER_NAME),
      goal: { read: 'secret' },
      expect: {
        open: { notApplicable: 'what comes by plain HTTP shows no certificate' },
        encrypted: NO_PROXY,
        kubeadm: UNKNOWN,
        hardened: UNKNOWN,
        'zero-trust': UNKNOWN,
      },
      twin: { stopped: { weaken: 'requestheader-allowed-names' } },
    },
  ],
  async attempt(world) {
    const headers = { 'X-Remote-User': 'kubernetes-admin', 'X-Remote-Group': 'system:masters' }
    return secretByApi(world, { headers })
  },
})

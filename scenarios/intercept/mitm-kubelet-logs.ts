/**
 * administrator --logs, insecureSkipTLSVerifyBackend=true--> kube-apiserver  --TLS-->  attacker (answers as the kubelet)
 */
import { onPath } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const NOTHING_TO_SKIP = { notApplicable: 'kube-apiserver verifies no kubelet (mitm-apiserver-kubelet)' }
const SKIPPING = 'insecureSkipTLSVerifyBackend=true'

export default scenario({
  title: `The caller's own hole`,
  story: `kube-apiserver verifies kubelets, but a caller of logs may tell it not to, for this one request. Whoever stands in the kubelet's place
then writes that caller's log. Nobody else's requests are touched.`,
  refs: ['PodLogOptions.insecureSkipTLSVerifyBackend', 'KEP-1295', 'kube-apiserver --kubelet-certificate-authority'],
  cis: ['1.2.5'],
  attack: ['T1557', 'T1565.002'],
  variants: [
    {
      id: 'a',
      title: 'a forged log line for a caller who asked for no verification',
      foothold: onPath(
        'a self-signed certificate',
        { from: 'control-plane-1', to: 'worker-2', port: 10250 },
        { signedBy: 'self', commonName: 'worker-2', usages: ['serverAuth'], hosts: ['worker-2'] },
      ),
      goal: {
        write: 'a forged log line',
        node: 'worker-2',
        async placed(operator, { namespace, pod, target }, mark) {
          const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?container=main&${target}`
          return (await operator.client.request({ path })).text.includes(mark)
        },
      },
      target: SKIPPING,
      expect: {
        open: NOTHING_TO_SKIP,
        encrypted: NOTHING_TO_SKIP,
        kubeadm: NOTHING_TO_SKIP,
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { target: 'insecureSkipTLSVerifyBackend=false' } },
    },
  ],
  async attempt(world) {
    await world.intercept({
      certificate: 'impostor',
      reply: ({ path }) => (path.startsWith('/containerLogs/') ? { status: 200, body: `${world.mark}\n` } : undefined),
    })
    return []
  },
})

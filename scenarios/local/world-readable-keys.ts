/**
 * uid 64002 of a machine  --open(2)-->  somebody else's credential file  -->  kube-apiserver
 */
import { secretPath } from '../../lib/attacker/reach-goal.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

/** An ordinary user of the machine; the files belong to another (lib/cluster/file-owner.ts). */
const NEIGHBOUR_UID = 64002

const REFUSED: Expectation = { kind: 'stopped', by: 'operating system', layer: 'os', code: 'EACCES' }

function variant(id: string, title: string, host: string, node?: 'worker-2'): Variant {
  return {
    id,
    title,
    foothold: { name: 'neighbour', stands: { on: 'machine', host, uid: NEIGHBOUR_UID }, holds: {} },
    goal: node ? { read: 'secret', node } : { read: 'secret' },
    expect: {
      open: { kind: 'through' },
      encrypted: REFUSED,
      kubeadm: REFUSED,
      hardened: REFUSED,
      'zero-trust': REFUSED,
    },
    twin: { through: { restore: 'credential-file-modes' }, stopped: { weaken: 'credential-file-modes' } },
  }
}

const FILES: Readonly<Record<string, string>> = {
  'admin-conf': '/etc/kubernetes/admin.conf',
  'kubelet-conf': '/etc/kubernetes/kubelet.conf',
}

export default scenario({
  title: 'ls -l',
  story: `An unprivileged user of a machine looks for credentials that everybody may read. The PKI is as strong as its chmod.`,
  refs: [
    'Trail of Bits 2019, finding 8 (kubernetes/kubernetes#81116)',
    'cmd/kubeadm: key files 0600, kubeconfigs 0600',
  ],
  cis: ['1.1.13', '1.1.21', '4.1.5'],
  attack: ['T1552.001', 'T1552.004'],
  tour: ['admin-conf'],
  variants: [
    variant('admin-conf', `an administrator's kubeconfig on the control plane`, 'control-plane-1'),
    variant('kubelet-conf', `a kubelet's kubeconfig on its worker`, 'worker-2', 'worker-2'),
  ],
  async attempt(world, variant) {
    const kubeconfig = await world.readAsUser(FILES[variant] ?? '')
    if (kubeconfig === undefined) return []
    const path = secretPath(world.goal)
    return [(await world.api({ path, with: kubeconfig.toString('utf8') })).body]
  },
})

/** Who kubeadm's kubeconfigs are (cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go), as pki.yaml says it. */

interface ClientIdentity {
  signedBy: string
  commonName: string | { prefix: string; hostName: true }
  organizations?: string[]
}

/** `name` is the kubeconfig's in pki.yaml; undefined for one that kubeadm does not make. */
export function clientIdentity(name: string, version: string): ClientIdentity | undefined {
  const signedBy = 'ca'
  switch (name) {
    case 'admin':
      // A group of its own, which RBAC can take away, since v1.29 (kubernetes/kubernetes#121305).
      return {
        signedBy,
        commonName: 'kubernetes-admin',
        organizations: [isBefore(version, 29) ? 'system:masters' : 'kubeadm:cluster-admins'],
      }
    case 'super-admin':
      return { signedBy, commonName: 'kubernetes-super-admin', organizations: ['system:masters'] }
    case 'controller-manager':
      return { signedBy, commonName: 'system:kube-controller-manager' }
    case 'scheduler':
      return { signedBy, commonName: 'system:kube-scheduler' }
    case 'kubelet':
      return { signedBy, commonName: { prefix: 'system:node:', hostName: true }, organizations: ['system:nodes'] }
    default:
      return undefined
  }
}

function isBefore(version: string, minor: number): boolean {
  const [, given = '0'] = version.split('.')
  return version !== '' && Number(given) < minor
}

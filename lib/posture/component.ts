/** The components that a range can start, by the names of the real binaries. */
export const COMPONENTS = ['kube-apiserver', 'kubelet', 'etcd', 'kube-scheduler', 'kube-controller-manager'] as const

export type Component = (typeof COMPONENTS)[number]

export function isComponent(name: string): name is Component {
  return (COMPONENTS as readonly string[]).includes(name)
}

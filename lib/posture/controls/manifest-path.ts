import type { Component } from '../component.ts'

/** Where kubeadm puts a component's manifest. */
export function manifestPath(component: Component): string {
  return `/etc/kubernetes/manifests/${component}.yaml`
}

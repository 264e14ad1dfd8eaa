/** Controls of who may dial whom at all. */
import type { Control } from '../control.ts'
import { withFile, type Posture } from '../posture.ts'
import { editYaml } from '../yaml-file.ts'

/** Every link of the components, and the API for everybody (NSA/CISA Kubernetes Hardening Guide: network separation). */
const LINKS = [
  { from: 'anyone', to: 'control-plane', ports: [6443] },
  { from: 'control-plane', to: 'worker', ports: [10250] },
  { from: 'control-plane', to: 'etcd', ports: [2379] },
  { from: 'etcd', to: 'etcd', ports: [2379, 2380] },
]

export const NETWORK_CONTROLS: readonly Control[] = [
  {
    id: 'network-separation',
    title: 'nobody dials etcd and the kubelets but those who have to',
    layer: 'route',
    files: ['posture.yaml'],
    weaken: (posture) => withAllowed(posture, 'everything'),
    restore: (posture) => (posture.network === 'everything' ? withAllowed(posture, LINKS) : posture),
  },
]

function withAllowed(posture: Posture, allow: 'everything' | typeof LINKS): Posture {
  const file = 'posture.yaml'
  if (posture.network === allow) return posture
  return withFile(posture, file, editYaml(file, posture.files.get(file) ?? '', ['network', 'allow'], allow))
}

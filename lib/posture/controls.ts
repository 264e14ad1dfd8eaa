import type { Control } from './control.ts'
import { ADMISSION_CONTROLS } from './controls/admission-controls.ts'
import { APISERVER_CONTROLS } from './controls/apiserver-controls.ts'
import { APISERVER_TLS } from './controls/apiserver-tls.ts'
import { CIPHER_CONTROLS } from './controls/cipher-controls.ts'
import { CREDENTIAL_CONTROLS } from './controls/credential-controls.ts'
import { ENCRYPTION_CONTROLS } from './controls/encryption-controls.ts'
import { ETCD_CONTROLS } from './controls/etcd-controls.ts'
import { ETCD_PEER_CONTROLS } from './controls/etcd-peer-controls.ts'
import { NETWORK_CONTROLS } from './controls/network-controls.ts'
import { KUBELET_CONTROLS } from './controls/kubelet-controls.ts'

/** Every control there is, by id. */
export const CONTROLS: readonly Control[] = [
  APISERVER_TLS,
  ...APISERVER_CONTROLS,
  ...ADMISSION_CONTROLS,
  ...KUBELET_CONTROLS,
  ...ETCD_CONTROLS,
  ...ETCD_PEER_CONTROLS,
  ...ENCRYPTION_CONTROLS,
  ...CREDENTIAL_CONTROLS,
  ...CIPHER_CONTROLS,
  ...NETWORK_CONTROLS,
]

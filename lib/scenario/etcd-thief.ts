/** Who stole the key with which kube-apiserver opens etcd, and where there is nothing in it for a thief. */
import { bearerOf, thiefOfPair } from './footholds.ts'

export const ETCD_THIEF = thiefOfPair('apiserver-etcd-client')

/** Says the same of itself, but etcd's CA never did. */
export const SELF_SIGNED_ETCD_CLIENT = bearerOf('the same name, signed by itself', {
  signedBy: 'self',
  commonName: 'kube-apiserver-etcd-client',
  usages: ['clientAuth'],
  dnsNames: ['etcd-client.kubernetes.local'],
})

export const NOTHING_STOLEN = { notApplicable: 'etcd asks nobody for a certificate: there is nothing to steal' }
export const NOTHING_SEALED = { notApplicable: 'nothing is sealed: one reads and writes it as it lies' }

/** What a certificate shall say, before anybody signs it. Shared by the two issuers and by whoever plans a PKI. */

/** kubeadm's names for key kinds (kubeadm.k8s.io/v1beta4, `encryptionAlgorithm`). */
export const KEY_ALGORITHMS = ['RSA-2048', 'RSA-3072', 'RSA-4096', 'ECDSA-P256', 'ECDSA-P384'] as const

export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]

export type KeyUsage = 'clientAuth' | 'serverAuth'

export interface CertificateSpec {
  /** Absent or empty: the subject has no CN. */
  commonName?: string
  /** Every O, in order: Kubernetes reads each as a group. */
  organizations?: readonly string[]
  /** A CA: keyCertSign and CA:TRUE without a path length, as Go's client-go makes them. */
  isCa?: boolean
  /** Extended key usages; a CA and a certificate for any use have none. */
  usages?: readonly KeyUsage[]
  dnsNames?: readonly string[]
  ipAddresses?: readonly string[]
  uris?: readonly string[]
  emails?: readonly string[]
  notBefore: Date
  notAfter: Date
  /** Default ECDSA-P256. */
  key?: KeyAlgorithm
}

/** A certificate and its key, as they lie in files. */
export interface Issued {
  /** PEM, one CERTIFICATE block. */
  certificate: string
  /** PEM, `EC PRIVATE KEY` or `RSA PRIVATE KEY` as Go's keyutil writes them. */
  privateKey: string
}

/** A key pair without a certificate, such as the one that signs service-account tokens. */
export interface IssuedKeyPair {
  /** PEM, `EC PRIVATE KEY` or `RSA PRIVATE KEY`. */
  privateKey: string
  /** PEM, `PUBLIC KEY`. */
  publicKey: string
}

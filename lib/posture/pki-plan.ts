/**
 * pki.yaml: which authority signs what, under which names, with which keys, for how long, and where each file lies on which
 * host. Names and addresses are the posture's own; launching maps them.
 *
 * ```yaml
 * encryptionAlgorithm: ECDSA-P256        # kubeadm's names; RSA-2048 is kubeadm's default
 * certificateValidityPeriod: 8760h
 * caCertificateValidityPeriod: 87600h
 * backdate: 5m                           # NotBefore lies this long before the moment of issue
 * modes: {certificate: '0644', key: '0600', kubeconfig: '0600'}
 * authorities:
 *   ca:
 *     commonName: kubernetes
 *     dnsNames: [kubernetes]
 *     files:
 *     - {on: control-plane, certificate: /etc/kubernetes/pki/ca.crt, key: /etc/kubernetes/pki/ca.key}
 *     modes: {key: '0644'}               # where they differ from the modes above, here as below
 *   etcd-ca: {sameAs: ca, files: […]}    # one authority under two paths
 * keyPairs:
 *   sa: {on: control-plane, privateKey: /etc/kubernetes/pki/sa.key, publicKey: /etc/kubernetes/pki/sa.pub}
 * certificates:
 *   apiserver:
 *     on: control-plane                  # a role or a host's name: one certificate for each host of it
 *     signedBy: ca
 *     commonName: kube-apiserver         # or {prefix: 'system:node:', hostName: true}
 *     organizations: []
 *     usages: [serverAuth]
 *     sans: {hostName: true, hostAddress: true, dns: [kubernetes], ip: [10.96.0.1]}
 *     certificate: /etc/kubernetes/pki/apiserver.crt
 *     key: /etc/kubernetes/pki/apiserver.key
 *     modes: {key: '0644'}               # where it differs from the modes above
 * revocationLists:
 *   etcd-clients: {on: etcd, signedBy: etcd-ca, file: /etc/kubernetes/pki/etcd/clients.crl}   # of nobody, to begin with
 * kubeconfigs:
 *   admin:
 *     on: control-plane
 *     file: /etc/kubernetes/admin.conf
 *     server: https://192.0.2.10:6443
 *     certificateAuthority: ca           # embedded; or insecureSkipTLSVerify: true
 *     user: kubernetes-admin
 *     client: {signedBy: ca, commonName: kubernetes-admin, organizations: [kubeadm:cluster-admins]}
 *     # or token: a static bearer token of --token-auth-file, drawn anew for each run (or {prefix, hostName: true})
 *     # client.pem: a file that holds certificate and key, as a kubelet's; embedded without it
 * ```
 */
import type { KeyAlgorithm, KeyUsage } from '../x509/certificate-spec.ts'

/** A name that may depend on the host it is issued for: `prefix`, then the host's name if `hostName`. */
export interface NamePattern {
  prefix: string
  hostName: boolean
}

export interface Modes {
  certificate: number
  key: number
  kubeconfig: number
}

export interface AuthorityPlan {
  name: string
  commonName: string
  dnsNames: string[]
  key: KeyAlgorithm
  /** Another authority whose certificate and key these are. */
  sameAs?: string
  files: { on: string; certificate?: string; key?: string; modes: Modes }[]
}

export interface SubjectPlan {
  signedBy: string
  commonName: NamePattern
  organizations: string[]
  usages: KeyUsage[]
  sans: { hostName: boolean; hostAddress: boolean; dns: string[]; ip: string[] }
  key: KeyAlgorithm
  validityMs: number
}

export interface CertificatePlan extends SubjectPlan {
  name: string
  on: string
  certificate: string
  keyFile: string
  modes: Modes
}

export interface KubeconfigPlan {
  name: string
  on: string
  file: string
  cluster: string
  context: string
  user: string
  server: string
  certificateAuthority?: string
  insecureSkipTlsVerify: boolean
  client?: SubjectPlan & { pem?: string }
  token?: NamePattern
  modes: Modes
}

export interface RevocationListPlan {
  name: string
  on: string
  signedBy: string
  file: string
  modes: Modes
}

export interface KeyPairPlan {
  name: string
  on: string
  key: KeyAlgorithm
  privateKey: string
  publicKey: string
  modes: Modes
}

export interface PkiPlan {
  caValidityMs: number
  backdateMs: number
  authorities: AuthorityPlan[]
  keyPairs: KeyPairPlan[]
  certificates: CertificatePlan[]
  revocationLists: RevocationListPlan[]
  kubeconfigs: KubeconfigPlan[]
}

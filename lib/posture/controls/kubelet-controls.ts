/** Controls of the kubelet's own port, and of kube-apiserver as its client. */
import { KUBELET_CONFIG, kubeletField, withFlag, withKubeletField, withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import type { Posture } from '../posture.ts'
import { withKubeletClient } from './apiserver-controls.ts'
import { authorityFile, signingAuthority } from '../signing-authority.ts'
import { manifestPath } from './manifest-path.ts'

const SERVING = { certificate: '/var/lib/kubelet/pki/kubelet.crt', key: '/var/lib/kubelet/pki/kubelet.key' }

export const KUBELET_CONTROLS: readonly Control[] = [
  {
    id: 'kubelet-certificate-authority',
    title: 'kube-apiserver verifies the kubelet it sends exec and logs to',
    cis: ['1.2.5', '4.2.9'],
    layer: 'cert-verify',
    files: [manifestPath('kube-apiserver')],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'kubelet-certificate-authority', undefined),
    restore: (posture) => withKubeletAuthority(withServingCertificates(posture)),
  },
  {
    id: 'kubelet-anonymous-auth',
    title: 'a kubelet turns away whoever shows no credential',
    cis: ['4.2.1'],
    layer: '401',
    files: [KUBELET_CONFIG],
    weaken: (posture) => withKubeletField(posture, ['authentication', 'anonymous', 'enabled'], true),
    restore: (posture) => {
      const closed = withKubeletField(posture, ['authentication', 'anonymous', 'enabled'], false)
      return withKubeletClient(withClientCa(closed))
    },
  },
  {
    id: 'kubelet-authorization-mode',
    title: 'a kubelet asks kube-apiserver what its caller may do',
    cis: ['4.2.2'],
    layer: '403-rbac',
    files: [KUBELET_CONFIG],
    weaken: (posture) => withKubeletField(posture, ['authorization', 'mode'], 'AlwaysAllow'),
    restore: (posture) => withKubeletField(posture, ['authorization', 'mode'], 'Webhook'),
  },
  {
    id: 'kubelet-client-ca-file',
    title: 'a kubelet takes client certificates; without it kube-apiserver cannot show who it is',
    cis: ['4.2.3'],
    layer: '401',
    files: [KUBELET_CONFIG],
    weaken: (posture) => withKubeletField(posture, ['authentication', 'x509', 'clientCAFile'], undefined),
    restore: withClientCa,
  },
  {
    id: 'kubelet-read-only-port',
    title: 'a kubelet has no port without authentication',
    cis: ['4.2.4'],
    layer: 'tcp',
    files: [KUBELET_CONFIG],
    weaken: (posture) => withKubeletField(posture, ['readOnlyPort'], 10255),
    restore: (posture) => withKubeletField(posture, ['readOnlyPort'], undefined),
  },
]

function withClientCa(posture: Posture): Posture {
  const path = ['authentication', 'x509', 'clientCAFile']
  const clientCa = authorityFile(posture.pki, signingAuthority(posture.pki, 'ca', ['clientAuth']))
  return kubeletField(posture, path) === undefined ? withKubeletField(posture, path, clientCa) : posture
}

/** kube-apiserver with the authority that signs kubelets' serving certificates. */
function withKubeletAuthority(posture: Posture): Posture {
  const { pki } = posture
  const signer = pki.certificates.find(({ name }) => name === 'kubelet-serving')?.signedBy ?? 'ca'
  return withFlag(posture, 'kube-apiserver', 'kubelet-certificate-authority', authorityFile(pki, signer))
}

/** Serving certificates that the cluster's CA signed, where kubelets sign their own. */
function withServingCertificates(posture: Posture): Posture {
  const own =
    kubeletField(posture, ['tlsCertFile']) === undefined && kubeletField(posture, ['serverTLSBootstrap']) !== true
  const [config] = [...posture.files.keys()].filter((file) => file.endsWith(KUBELET_CONFIG))
  const place = config?.split('/')[1]
  if (!own || place === undefined) return posture
  const told = withKubeletField(
    withKubeletField(posture, ['tlsCertFile'], SERVING.certificate),
    ['tlsPrivateKeyFile'],
    SERVING.key,
  )
  return withPki(told, ['certificates', 'kubelet-serving'], {
    on: place,
    signedBy: 'ca',
    commonName: { prefix: 'system:node:', hostName: true },
    organizations: ['system:nodes'],
    usages: ['serverAuth'],
    sans: { hostName: true, hostAddress: true },
    ...SERVING,
  })
}

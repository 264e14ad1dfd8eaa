/**
 * Who a kubelet is to kube-apiserver: its kubeconfig's user, whose certificate is renewed in time (--rotate-certificates), or that
 * a bootstrap token gets it first. cmd/kubelet/app/server.go buildKubeletClientConfig.
 */
import { existsSync } from 'node:fs'
import type { KubeClient } from '../../../lib/kube/client.ts'
import { readKubeconfig, type Kubeconfig } from '../../../lib/kube/kubeconfig.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { CertificateFiles, validityOf } from './certificate-files.ts'
import { rotateCertificate } from './certificate-rotation.ts'

export interface ApiCredentialOptions {
  kubeconfigFile: string
  bootstrapKubeconfigFile: string | undefined
  rotates: boolean
  nodeName: string
  /** --cert-dir. */
  folder: string
  connect: (kubeconfig: Kubeconfig) => KubeClient
}

export const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet'
export const CLIENT_USAGES = ['digital signature', 'client auth']

/** @throws Error with the reason of a `failed to run Kubelet: …` */
export async function apiCredential(options: ApiCredentialOptions): Promise<KubeClient> {
  const { kubeconfigFile, bootstrapKubeconfigFile, rotates, nodeName, connect } = options
  const files = new CertificateFiles(options.folder, 'kubelet-client')
  /** Asks until there is a certificate. */
  let asker: KubeClient | undefined
  let kubeconfig: Kubeconfig | undefined
  if (bootstrapKubeconfigFile !== undefined && !isUsable(kubeconfigFile)) {
    if (!existsSync(bootstrapKubeconfigFile)) {
      throw new Error(`unable to load bootstrap kubeconfig: stat ${bootstrapKubeconfigFile}: no such file or directory`)
    }
    const bootstrap = readKubeconfig(bootstrapKubeconfigFile)
    asker = connect(bootstrap)
    // few kubelets are new to their cluster
    const { bootstrapNow, writeKubeconfig } = await import('./bootstrap.ts')
    if (rotates) {
      klogS('I', 'server.go:985', 'Client rotation is on, will bootstrap in background')
      writeKubeconfig(kubeconfigFile, bootstrap, files.currentPath)
      // the certificate that it names is still to come
      kubeconfig = { ...bootstrap, user: {} }
    } else {
      await bootstrapNow({ client: asker, bootstrap, kubeconfigFile, nodeName, files })
      asker = undefined
    }
  }
  kubeconfig ??= readConfigured(kubeconfigFile)
  if (!rotates || (asker === undefined && kubeconfig.user.clientCertificateData === undefined))
    return connect(kubeconfig)
  const { currentPath: file } = files
  const user = { ...kubeconfig.user, clientCertificateFile: file, clientKeyFile: file }
  const client = connect({ ...kubeconfig, user })
  const first = kubeconfig.user.clientCertificateData
  const current = (): string | undefined => files.current() ?? first
  const isValid = (): boolean => (validityOf(current())?.notAfter.getTime() ?? 0) > Date.now()
  void rotateCertificate({
    signerName: CLIENT_SIGNER,
    usages: CLIENT_USAGES,
    subject: { commonName: `system:node:${nodeName}`, organization: 'system:nodes' },
    files,
    current,
    client: () => (asker && !isValid() ? asker : client),
    onHopeless: () => {
      klogS('E', 'server.go:1069', 'No valid client certificate is found and the server is responsive, exiting.')
      process.exit(1)
    },
  })
  return client
}

/** Whether a kubeconfig is there and its certificate, if it has one, has not expired. */
function isUsable(file: string): boolean {
  try {
    const { clientCertificateData } = readKubeconfig(file).user
    return (
      clientCertificateData === undefined || (validityOf(clientCertificateData)?.notAfter.getTime() ?? 0) > Date.now()
    )
  } catch {
    return false
  }
}

function readConfigured(file: string): Kubeconfig {
  try {
    return readKubeconfig(file)
  } catch (error) {
    throw new Error(`invalid kubeconfig: ${(error as Error).message}`, { cause: error })
  }
}

/** A new kubelet's first certificate, got with a bootstrap token: pkg/kubelet/certificate/bootstrap/bootstrap.go. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeClient } from '../../../lib/kube/client.ts'
import type { Kubeconfig } from '../../../lib/kube/kubeconfig.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { stringify } from '../../../lib/settings/yaml.ts'
import { CLIENT_SIGNER, CLIENT_USAGES } from './api-credential.ts'
import type { CertificateFiles } from './certificate-files.ts'
import { certificateRequest, keyPem, makeKey } from './request-der.ts'
import { createSigningRequest, signedCertificate } from './signing-request.ts'

const OWNER_ONLY = 0o600
const SIGNATURE_MS = 60 * 60_000
const REACHED_MS = 60_000
const RETRY_MS = 2000

export interface BootstrapOptions {
  client: KubeClient
  bootstrap: Kubeconfig
  kubeconfigFile: string
  nodeName: string
  files: CertificateFiles
}

/** What the kubelet starts with from now on: the bootstrap's cluster, and a certificate that lies in a file. */
export function writeKubeconfig(path: string, { cluster }: Kubeconfig, certificateFile: string): void {
  const { server, certificateAuthorityData, insecureSkipTlsVerify } = cluster
  const authority = certificateAuthorityData && Buffer.from(certificateAuthorityData).toString('base64')
  const text = stringify({
    apiVersion: 'v1',
    clusters: [
      {
        cluster: {
          ...(authority ? { 'certificate-authority-data': authority } : {}),
          ...(insecureSkipTlsVerify ? { 'insecure-skip-tls-verify': true } : {}),
          server,
        },
        name: 'default-cluster',
      },
    ],
    contexts: [
      { context: { cluster: 'default-cluster', namespace: 'default', user: 'default-auth' }, name: 'default-context' },
    ],
    'current-context': 'default-context',
    kind: 'Config',
    users: [{ name: 'default-auth', user: { 'client-certificate': certificateFile, 'client-key': certificateFile } }],
  })
  writeFileSync(path, text, { mode: OWNER_ONLY })
}

/** Without rotation: nothing goes on until the certificate is there. Rejects where the request is denied. */
export async function bootstrapNow({
  client,
  bootstrap,
  kubeconfigFile,
  nodeName,
  files,
}: BootstrapOptions): Promise<void> {
  klogS('I', 'bootstrap.go:121', 'Using bootstrap kubeconfig to generate TLS client cert, key and kubeconfig file')
  await reach(client)
  const keyFile = join(dirname(files.currentPath), 'kubelet-client.key.tmp')
  const key = keptKey(keyFile)
  const subject = { commonName: `system:node:${nodeName}`, organization: 'system:nodes' }
  const made = await createSigningRequest(client, {
    request: certificateRequest(key, subject),
    signerName: CLIENT_SIGNER,
    usages: CLIENT_USAGES,
    name: requestName(key, subject),
  })
  klogS('I', 'bootstrap.go:359', 'Waiting for client certificate to be issued')
  let certificate: string
  try {
    certificate = await signedCertificate(client, made, SIGNATURE_MS)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`cannot watch on the certificate signing request: ${message}`, { cause: error })
  }
  files.keep(certificate, keyPem(key))
  writeKubeconfig(kubeconfigFile, bootstrap, files.currentPath)
  rmSync(keyFile, { force: true })
}

async function reach(client: KubeClient): Promise<void> {
  for (const until = Date.now() + REACHED_MS; Date.now() < until; await delay(RETRY_MS)) {
    try {
      await client.request({ path: '/healthz?timeout=1s' })
      return
    } catch (error) {
      const err = `Get ${JSON.stringify(`${client.server}/healthz?timeout=1s`)}: ${(error as Error).message}`
      klogS('E', 'bootstrap.go:297', 'Failed to connect to apiserver', { err })
    }
  }
}

/** A key that outlives a restart, so that a request that is still pending is not made twice. */
function keptKey(file: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(file))
  } catch {
    const why = 'No valid private key and/or certificate found, reusing existing private key or creating a new one'
    klogS('I', 'bootstrap.go:152', why)
    const key = makeKey()
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, keyPem(key), { mode: OWNER_ONLY })
    return key
  }
}

/** `node-csr-` and a digest of all that the request asks for, so that the same request has the same name. */
function requestName(
  key: KeyObject,
  { commonName, organization }: { commonName: string; organization: string },
): string {
  const hash = createHash('sha512-256')
  hash.update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
  hash.update(`CN=${commonName},O=${organization}\n${CLIENT_USAGES.join(',')}`)
  return `node-csr-${hash.digest('base64url')}`
}

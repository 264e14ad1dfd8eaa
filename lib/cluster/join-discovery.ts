/**
 * How `kubeadm join` finds its cluster by a token (cmd/kubeadm/app/discovery/token/token.go): ConfigMap kube-public/cluster-info
 * is fetched from a server that nobody verifies, its signature is checked with the token, its CA with the pinned hash, and then
 * it is fetched once more from the server by that CA.
 */
import { createHash, createHmac, timingSafeEqual, X509Certificate } from 'node:crypto'
import { parseKubeconfig } from '../kube/kubeconfig.ts'
import { Refusal } from '../tls/refusal.ts'
import type { WitnessFacts } from './witness.ts'
import { useTool, type ToolServer } from './tool.ts'

export interface JoinOptions {
  /** `id.secret` */
  token: string
  /** `sha256:<hex>` of the CA's public key; without it `--discovery-token-unsafe-skip-ca-verification`. */
  caCertHash?: string
}

const CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info'

/** The kubeconfig of the cluster that was taken for the right one. Rejects with a Refusal. */
export async function discoverCluster(
  url: string,
  how: JoinOptions,
  say: (tool: string, facts: WitnessFacts) => void,
): Promise<string> {
  const [id = '', secret = ''] = how.token.split('.')
  let ends: { local?: string; remote?: string } = {}
  const fetchInfo = async (server: ToolServer, insecureSkipVerify: boolean): Promise<Record<string, string>> => {
    const use = { tool: 'kubeadm', path: CLUSTER_INFO, keyPair: null, insecureSkipVerify }
    const { text, local, remote } = await useTool(use, server, say)
    ends = { local, remote }
    return (JSON.parse(text) as { data?: Record<string, string> }).data ?? {}
  }
  const refuse = (code: string, text: string): Refusal => {
    say('kubeadm', { about: 'certificate', decision: 'refuse', layer: 'cert-verify', code, text, ...ends })
    return new Refusal('cert-verify', code, text)
  }
  const data = await fetchInfo({ url }, true)
  const kubeconfig = data['kubeconfig'] ?? ''
  const signature = data[`jws-kubeconfig-${id}`]
  if (signature === undefined || !isSigned(kubeconfig, signature, id, secret)) {
    throw refuse(
      'jws_signature',
      "failed to verify JWS signature of received cluster info object, can't trust this API Server",
    )
  }
  const caPem = parseKubeconfig(kubeconfig).cluster.certificateAuthorityData ?? ''
  if (how.caCertHash === undefined) return kubeconfig
  if (hashOf(caPem) !== how.caCertHash) {
    throw refuse(
      'ca_cert_hash',
      `cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "${hashOf(caPem)}" are pinned`,
    )
  }
  await fetchInfo({ url, caPem }, false)
  return kubeconfig
}

/** RFC 7515 with a detached payload, HS256 keyed by the token's secret (cluster-bootstrap/token/jws). */
export function signClusterInfo(kubeconfig: string, id: string, secret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url')
  return `${header}..${mac(header, kubeconfig, secret)}`
}

function isSigned(kubeconfig: string, jws: string, id: string, secret: string): boolean {
  const [header = '', , signature = ''] = jws.split('.')
  const expected = Buffer.from(mac(header, kubeconfig, secret))
  const given = Buffer.from(signature)
  const names = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { alg?: string; kid?: string }
  return (
    names.alg === 'HS256' && names.kid === id && expected.length === given.length && timingSafeEqual(expected, given)
  )
}

function mac(header: string, payload: string, secret: string): string {
  const signed = `${header}.${Buffer.from(payload).toString('base64url')}`
  return createHmac('sha256', secret).update(signed).digest('base64url')
}

/** kubeadm's pubkeypin: SHA-256 over the SubjectPublicKeyInfo. */
export function hashOf(caPem: string): string {
  const key = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256:${createHash('sha256').update(key).digest('hex')}`
}

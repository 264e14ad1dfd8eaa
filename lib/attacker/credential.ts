/** Reads what a foothold holds into what a connection needs. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeyPair } from '../tls/listen.ts'

export interface Credential {
  keyPair?: KeyPair
  token?: string
}

/** What a foothold's own credential is called. */
const OWN = 'credential'

/**
 * A credential by its name in the foothold: `name` itself where it is a kubeconfig, `name.crt` and `name.key`, or a
 * `name.pem` that holds both as a kubelet's does. Without a name the foothold's own, if it has one.
 */
export async function credentialIn(folder: string, asked: string | undefined): Promise<Credential> {
  const name = asked ?? OWN
  const files = new Set(await readdir(folder))
  if (files.has(`${name}.crt`)) {
    return { keyPair: { cert: await text(folder, `${name}.crt`), key: await text(folder, `${name}.key`) } }
  }
  if (files.has(`${name}.pem`)) {
    const both = await text(folder, `${name}.pem`)
    return { keyPair: { cert: both, key: both } }
  }
  if (files.has(`${name}.token`)) return { token: (await text(folder, `${name}.token`)).trim() }
  if (!files.has(name)) {
    if (asked === undefined) return {}
    throw new Error(`[foothold_credential] no credential ${name} in the foothold; it holds ${[...files].join(', ')}`)
  }
  return credentialOf(await text(folder, name))
}

/** What a kubeconfig's text holds by itself. */
export async function credentialOf(kubeconfig: string): Promise<Credential> {
  // Most attackers hold no kubeconfig: reading one loads a YAML parser.
  const { parseKubeconfig } = await import('../kube/kubeconfig.ts')
  const { user } = parseKubeconfig(kubeconfig)
  const credential: Credential = {}
  if (user.clientCertificateData && user.clientKeyData) {
    credential.keyPair = { cert: user.clientCertificateData, key: user.clientKeyData }
  }
  if (user.token) credential.token = user.token
  return credential
}

function text(folder: string, name: string): Promise<string> {
  return readFile(join(folder, name), 'utf8')
}

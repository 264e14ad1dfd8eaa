/** kubeconfig files (client-go tools/clientcmd/api/v1): the current context's cluster and user, with their files read. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from '../settings/yaml.ts'

export interface KubeconfigCluster {
  /** `https://192.0.2.10:6443` */
  server: string
  /** PEM. */
  certificateAuthorityData?: string
  insecureSkipTlsVerify: boolean
  tlsServerName?: string
}

export interface KubeconfigUser {
  /** PEM. */
  clientCertificateData?: string
  clientKeyData?: string
  /** Where the two came from, for a client that re-reads them. */
  clientCertificateFile?: string
  clientKeyFile?: string
  token?: string
  tokenFile?: string
}

export interface Kubeconfig {
  cluster: KubeconfigCluster
  user: KubeconfigUser
}

interface Named<T> {
  name?: string
  cluster?: T
  user?: T
  context?: T
}

interface RawKubeconfig {
  clusters?: Named<Record<string, unknown>>[]
  users?: Named<Record<string, unknown>>[]
  contexts?: Named<{ cluster?: string; user?: string }>[]
  'current-context'?: string
}

/** Reads a file; relative paths in it are relative to its folder. @throws Error with the file's name. */
export function readKubeconfig(file: string): Kubeconfig {
  return parseKubeconfig(readFileSync(file, 'utf8'), dirname(file))
}

/** Without `folder`, files that the text names are not read: only what is embedded counts. */
export function parseKubeconfig(text: string, folder?: string): Kubeconfig {
  const raw = (parse(text) ?? {}) as RawKubeconfig
  const context = (raw.contexts ?? []).find(({ name }) => name === raw['current-context'])?.context
  const cluster = (raw.clusters ?? []).find(({ name }) => name === context?.cluster)?.cluster
  const user = (raw.users ?? []).find(({ name }) => name === context?.user)?.user ?? {}
  // clientcmd's words for a file that leads nowhere.
  if (!cluster || typeof cluster['server'] !== 'string' || cluster['server'] === '') {
    throw new Error(
      'invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable',
    )
  }
  return { cluster: clusterOf(cluster, folder), user: userOf(user, folder) }
}

function clusterOf(raw: Record<string, unknown>, folder: string | undefined): KubeconfigCluster {
  const authority = dataOrFile(raw, 'certificate-authority', folder).data
  const cluster: KubeconfigCluster = {
    server: String(raw['server']).replace(/\/$/, ''),
    insecureSkipTlsVerify: raw['insecure-skip-tls-verify'] === true,
  }
  if (authority !== undefined) cluster.certificateAuthorityData = authority
  if (typeof raw['tls-server-name'] === 'string') cluster.tlsServerName = raw['tls-server-name']
  return cluster
}

function userOf(raw: Record<string, unknown>, folder: string | undefined): KubeconfigUser {
  const certificate = dataOrFile(raw, 'client-certificate', folder)
  const key = dataOrFile(raw, 'client-key', folder)
  const user: KubeconfigUser = {}
  if (certificate.data !== undefined) user.clientCertificateData = certificate.data
  if (certificate.file !== undefined) user.clientCertificateFile = certificate.file
  if (key.data !== undefined) user.clientKeyData = key.data
  if (key.file !== undefined) user.clientKeyFile = key.file
  if (typeof raw['token'] === 'string') user.token = raw['token']
  if (typeof raw['tokenFile'] === 'string' && folder !== undefined) user.tokenFile = resolve(folder, raw['tokenFile'])
  return user
}

/** `name-data` holds the PEM in base64 and wins over `name`, a path (clientcmd's order). */
function dataOrFile(
  raw: Record<string, unknown>,
  name: string,
  folder: string | undefined,
): { data?: string; file?: string } {
  const embedded = raw[`${name}-data`]
  if (typeof embedded === 'string' && embedded !== '') return { data: Buffer.from(embedded, 'base64').toString('utf8') }
  const path = raw[name]
  if (typeof path !== 'string' || path === '' || folder === undefined) return {}
  const file = resolve(folder, path)
  try {
    return { data: readFileSync(file, 'utf8'), file }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
    throw new Error(`unable to read ${name} ${file} due to open ${file}: ${why}`, { cause: error })
  }
}

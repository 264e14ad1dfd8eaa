/** kubeconfig files (client-go tools/clientcmd/api/v1): the current context's cluster and user, with their files read. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from '../settings/yaml.ts'
import { goQuote } from './go-quote.ts'

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

/**
 * Reads a file; relative paths in it are relative to its folder.
 *
 * @throws Error with clientcmd's text: `stat <file>: no such file or directory`, `invalid configuration: …`
 */
export function readKubeconfig(file: string): Kubeconfig {
  return parseKubeconfig(readKubeconfigFile(file), dirname(file))
}

/** Without `folder`, files that the text names are not read: only what is embedded counts. */
export function parseKubeconfig(text: string, folder?: string): Kubeconfig {
  const raw = (parse(text) ?? {}) as RawKubeconfig
  const current = raw['current-context'] ?? ''
  const context = (raw.contexts ?? []).find(({ name }) => name === current)?.context
  if (current !== '' && !context) throw invalid([`context was not found for specified context: ${current}`])
  const { cluster: clusterName = '', user: userName = '' } = context ?? {}
  const cluster = (raw.clusters ?? []).find(({ name }) => name === clusterName)?.cluster
  const user = (raw.users ?? []).find(({ name }) => name === userName)?.user
  const problems: string[] = []
  if (userName !== '' && !user) problems.push(`user ${goQuote(userName)} was not found for context ${goQuote(current)}`)
  if (clusterName !== '' && !cluster) {
    problems.push(`cluster ${goQuote(clusterName)} was not found for context ${goQuote(current)}`)
  }
  if (problems.length > 0) throw invalid(problems)
  if (!cluster || typeof cluster['server'] !== 'string' || cluster['server'] === '') {
    throw invalid(['no configuration has been provided, try setting KUBERNETES_MASTER environment variable'])
  }
  const files = new ReferencedFiles(folder)
  const config = { cluster: clusterOf(cluster, clusterName, files), user: userOf(user ?? {}, userName, files) }
  if (files.problems.length > 0) throw invalid(files.problems)
  return config
}

/** clientcmd's errConfigurationInvalid, its list an Aggregate. */
function invalid(problems: readonly string[]): Error {
  const said = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
  return new Error(`invalid configuration: ${said}`)
}

function readKubeconfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // loading rules stat what they were told to load before they read it
    if (code === 'ENOENT') throw new Error(`stat ${file}: no such file or directory`, { cause: error })
    throw new Error(`error loading config file "${file}": ${openProblem(file, error)}`, { cause: error })
  }
}

function openProblem(file: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  const why = code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code)
  return `open ${file}: ${why}`
}

/** Reads what a kubeconfig names, and keeps the problems to be told together, as clientcmd validates. */
class ReferencedFiles {
  readonly problems: string[] = []
  readonly #folder: string | undefined

  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  path(name: string): string | undefined {
    return this.#folder === undefined ? undefined : resolve(this.#folder, name)
  }

  /** `field-data` holds the PEM in base64 and wins over `field`, a path. `about` ends clientcmd's words for a problem. */
  read(raw: Record<string, unknown>, field: string, about: string): { data?: string; file?: string } {
    const embedded = raw[`${field}-data`]
    if (typeof embedded === 'string' && embedded !== '') {
      return { data: Buffer.from(embedded, 'base64').toString('utf8') }
    }
    const named = raw[field]
    const file = typeof named === 'string' && named !== '' ? this.path(named) : undefined
    if (file === undefined) return {}
    try {
      return { data: readFileSync(file, 'utf8'), file }
    } catch (error) {
      const shown = field === 'client-certificate' ? 'client-cert' : field
      this.problems.push(`unable to read ${shown} ${file} for ${about} due to ${openProblem(file, error)}`)
      return {}
    }
  }
}

function clusterOf(raw: Record<string, unknown>, name: string, files: ReferencedFiles): KubeconfigCluster {
  const authority = files.read(raw, 'certificate-authority', name).data
  const cluster: KubeconfigCluster = {
    server: String(raw['server']).replace(/\/$/, ''),
    insecureSkipTlsVerify: raw['insecure-skip-tls-verify'] === true,
  }
  if (authority !== undefined) cluster.certificateAuthorityData = authority
  if (typeof raw['tls-server-name'] === 'string') cluster.tlsServerName = raw['tls-server-name']
  return cluster
}

function userOf(raw: Record<string, unknown>, name: string, files: ReferencedFiles): KubeconfigUser {
  const certificate = files.read(raw, 'client-certificate', name)
  const key = files.read(raw, 'client-key', name)
  const user: KubeconfigUser = {}
  if (certificate.data !== undefined) user.clientCertificateData = certificate.data
  if (certificate.file !== undefined) user.clientCertificateFile = certificate.file
  if (key.data !== undefined) user.clientKeyData = key.data
  if (key.file !== undefined) user.clientKeyFile = key.file
  if (typeof raw['token'] === 'string') user.token = raw['token']
  const tokenFile = typeof raw['tokenFile'] === 'string' ? files.path(raw['tokenFile']) : undefined
  if (tokenFile !== undefined) user.tokenFile = tokenFile
  return user
}

/**
 * Has the kubectl of the recordings say its commands to a running kube-apiserver of ours, in their order and each in the name
 * that it was recorded in, and hears what it printed and what it asked for.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedKubectls } from '../../real/installed-kubectls.ts'
import { expected } from './expected.ts'
import { ServerReplay } from './server-replay.ts'

export interface KubectlRow {
  id: string
  as: string
  argv: string[]
  exit: number
  stdout: string
  stderr: string
  /** `GET /path 200`. */
  requests: string[]
}

/** The minor version that was recorded: others say things otherwise. */
const RECORDED_MINOR = 32
const RECORDED_SERVER = '192.168.99.10:6443'
const HEARD_MS = 1000

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
`

const configMap = (name: string, more: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: team-a}\n${more}\n`
const FILES: Readonly<Record<string, string>> = {
  'cm.yaml': configMap('kcm', 'data: {a: "1"}'),
  'cm2.yaml': configMap('kcm', 'data: {a: "2"}'),
  'cm3.yaml': configMap('kcm-ssa', 'data: {a: "1"}'),
  'bad.yaml': configMap('kbad', 'nope: 1'),
}

/** What happened between the rows, in commands that were kept back. */
const BEFORE: Readonly<Record<string, string[]>> = {
  'kubectl-get-several': ['create', 'serviceaccount', 'again', '-n', 'team-a'],
  'kubectl-drain-dry': ['uncordon', 'worker-2'],
  'kubectl-apply-dry-run': ['apply', '-f', '<dir>/cm2.yaml'],
  'kubectl-delete': ['create', 'secret', 'generic', 'ks', '-n', 'team-a', '--from-literal=a=b'],
}

/** Recorded nodes lay where nobody listened; here that is the loopback. */
const [RECORDED_NODES, NODES] = ['192.168.99.1', '127.99.99.1']
const placed = (text: string): string => text.replaceAll(RECORDED_NODES, NODES)

export class KubectlReplay {
  readonly #program: string
  readonly #server: ServerReplay
  readonly #folder: string
  /** Audit ids of requests that were told already. */
  readonly #heard = new Set<string>()

  private constructor(program: string, server: ServerReplay) {
    this.#program = program
    this.#server = server
    this.#folder = server.world.path('kubectl')
    mkdirSync(this.#folder)
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(this.#folder, name), text)
  }

  /** The kubectl that the rows were recorded with, if it is here. */
  static program(): string | undefined {
    return installedKubectls(RECORDED_MINOR).find(({ minor }) => minor === RECORDED_MINOR)?.program
  }

  static async start(program: string): Promise<KubectlReplay> {
    const server = await ServerReplay.start((world) => {
      writeFileSync(world.path('policy.yaml'), AUDIT_POLICY)
      return {
        'audit-policy-file': world.path('policy.yaml'),
        'audit-log-path': world.path('logs/audit.log'),
        'kubelet-preferred-address-types': 'InternalIP',
      }
    }, placed)
    return new KubectlReplay(program, server)
  }

  end(): Promise<void> {
    return this.#server.end()
  }

  /** `undefined` where kubectl says and asks what it did of the real one. */
  async replay(row: KubectlRow): Promise<{ expected: string; got: string } | undefined> {
    const before = BEFORE[row.id]
    if (before) {
      await this.#run('admin', before)
      await this.#asked(1)
    }
    const { exit, stdout, stderr } = await this.#run(row.as, row.argv)
    const requests = await this.#asked(row.requests.length)
    const { id: _, as: __, argv: ___, ...wanted } = row
    // of an upgrade, and of what TLS refused, the recording has no answer
    const unanswered = new Set(wanted.requests.filter((each) => !/ \d+$/.test(each)))
    const answered = (each: string): boolean => !unanswered.has(each) && !unanswered.has(each.replace(/ \d+$/, ''))
    return expected(
      plain({ ...wanted, requests: wanted.requests.filter(answered) }),
      plain({ exit, stdout, stderr, requests: requests.filter(answered) }),
    )
  }

  async #run(identity: string, argv: readonly string[]): Promise<Omit<KubectlRow, 'id' | 'as' | 'argv' | 'requests'>> {
    const words = argv.map((word) => word.replace('<dir>', this.#folder))
    const options = ['--kubeconfig', await this.#kubeconfig(identity), '--cache-dir', join(this.#folder, 'cache')]
    const env = { PATH: process.env['PATH'], HOME: this.#folder }
    return new Promise((resolve) => {
      const child = execFile(
        this.#program,
        [...words.slice(0, 1), ...options, ...words.slice(1)],
        { env },
        (error, stdout, stderr) =>
          resolve({
            exit: error ? Number(error.code ?? -1) : 0,
            stdout: this.#said(stdout),
            stderr: this.#said(stderr),
          }),
      )
      child.stdin!.end()
    })
  }

  /** A file for that identity. */
  async #kubeconfig(identity: string): Promise<string> {
    const { world } = this.#server
    const isForeign = identity.includes('foreign CA')
    const host = identity.includes('does not carry') ? 'localhost' : '127.0.0.1'
    const name = identity.split(',')[0] ?? ''
    const user: Record<string, string> = {}
    if (name.startsWith('token:')) user['token'] = name.slice('token:'.length)
    else if (name !== 'anonymous') {
      const { certificate, privateKey } = await world.pairOf(this.#server.nameIn(name))
      user['client-certificate-data'] = Buffer.from(certificate).toString('base64')
      user['client-key-data'] = Buffer.from(privateKey).toString('base64')
    }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'c',
          cluster: {
            server: `https://${host}:${world.port}`,
            'certificate-authority': world.path(isForeign ? 'etcd-ca.crt' : 'ca.crt'),
          },
        },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }
    const file = join(this.#folder, `${identity.replaceAll(/\W+/g, '-')}.json`)
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  #said(text: string): string {
    return text
      .replaceAll(this.#folder, '<dir>')
      .replaceAll(NODES, RECORDED_NODES)
      .replaceAll(`127.0.0.1:${this.#server.world.port}`, RECORDED_SERVER)
  }

  #log(): string {
    return readFileSync(this.#server.world.path('logs/audit.log'), 'utf8')
  }

  /** Requests that were answered since this was asked last, in the order in which they came. */
  async #asked(count: number): Promise<string[]> {
    const end = performance.now() + HEARD_MS
    for (;;) {
      const asked = [...requestsIn(this.#log())].filter(([id]) => !this.#heard.has(id))
      if (asked.length < count && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 25))
        continue
      }
      for (const [id] of asked) this.#heard.add(id)
      return asked.map(([, request]) => request)
    }
  }
}

interface AuditEvent {
  auditID: string
  requestURI: string
  verb: string
  responseStatus?: { code?: number }
}

const METHODS: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT', patch: 'PATCH', delete: 'DELETE' }

/** Audit id -> request, of what the server was asked for from outside of itself. */
function requestsIn(log: string): Map<string, string> {
  const byId = new Map<string, string>()
  const events = log.split('\n').filter((each) => each.endsWith('}'))
  for (const { auditID, requestURI, verb, responseStatus } of events.map((each) => JSON.parse(each) as AuditEvent)) {
    const method = METHODS[verb] ?? 'GET'
    byId.delete(auditID)
    if (responseStatus?.code !== undefined) byId.set(auditID, `${method} ${requestURI} ${responseStatus.code}`)
  }
  return byId
}

/** Discovery is asked for when kubectl's cache is empty; columns are as wide as the ages in them. */
function plain(said: Omit<KubectlRow, 'id' | 'as' | 'argv'>): object {
  const text = (each: string): string =>
    each
      .trimEnd()
      .replaceAll(/ {2,}/g, '  ')
      .replaceAll(/ +$/gm, '')
      .replaceAll(/^(CreationTimestamp:) .*$/gm, '$1 <time>')
  const requests = said.requests.filter((each) => !/^GET \/apis?\?timeout/.test(each)).map(plainRequest)
  // evictions are asked for at once
  const isDrain = requests.some((each) => each.includes('/eviction'))
  const lines = text(said.stdout).split('\n')
  return {
    exit: said.exit,
    stdout: isDrain ? lines.toSorted() : lines,
    stderr: text(said.stderr),
    requests: isDrain ? requests.toSorted() : requests,
  }
}

/** kubectl draws the length of a watch, and takes the parts of a selector from a map. */
function plainRequest(request: string): string {
  return request
    .replace(/resourceVersion=[1-9]\d*/, 'resourceVersion=<rv>')
    .replace(/timeoutSeconds=\d+/, 'timeoutSeconds=<n>')
    .replace(/(?<=fieldSelector=)[^&]*/, (selector) => selector.split('%2C').toSorted().join('%2C'))
}

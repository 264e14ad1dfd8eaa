/**
 * What streams, by real kubectls: exec -it, attach, cp, port-forward, logs -f. The oldest speaks SPDY to the kubelet, the newest
 * WebSocket, and WebSocket that kube-apiserver turns into SPDY for a kubelet that declares no more.
 */
import t, { type Test } from 'tap'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '../../lib/cluster/start-cluster.ts'
import { loadPosture } from '../../lib/posture/posture.ts'
import { installedKubectls, type Kubectl } from './installed-kubectls.ts'

const OLDEST_MINOR = 29
const DEADLINE_MS = 30_000
const kubectls = installedKubectls(OLDEST_MINOR)
const newest = kubectls.at(-1)
const script = spawnSync('/bin/sh', ['-c', 'command -v script'], { encoding: 'utf8' }).stdout.trim()
if (!newest) process.stderr.write('SKIPPED: no kubectl >= 1.29 is installed, nothing was streamed by one\n')
if (!script) process.stderr.write('SKIPPED: no script(1) is installed, exec -it was not tried at a terminal\n')

const LAB = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'lab', namespace: 'shop' },
  spec: {
    nodeName: 'worker-1',
    containers: [
      {
        name: 'main',
        image: 'registry.example/lab:1',
        command: ['sh', '-c', 'echo one; echo two >&2; cat'],
        stdin: true,
        ports: [{ containerPort: 8080 }],
      },
    ],
  },
}

t.test('kubectl streams', { skip: newest ? false : 'no kubectl >= 1.29 is installed' }, async (t) => {
  if (!newest) return
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-streams-'))
  const cluster = await startCluster(await loadPosture('kubeadm'))
  t.teardown(async () => {
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const config = join(cluster.hostFolder('control-plane-1'), 'etc/kubernetes/admin.conf')
  const env = { PATH: process.env['PATH'], HOME: folder, SHELL: '/bin/sh', TERM: 'dumb' }

  const running = new Set<ChildProcess>()
  t.teardown(() => {
    for (const child of running) child.kill('SIGKILL')
  })

  /** A kubectl at work, and what it has said so far. */
  class Work {
    out = ''
    err = ''
    readonly child: ChildProcess
    readonly ended: Promise<number>
    #looks = new Set<() => void>()

    constructor(program: string, words: readonly string[]) {
      this.child = spawn(program, [...words], { env })
      running.add(this.child)
      this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#said((this.out += text)))
      this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#said((this.err += text)))
      this.child.stdin!.on('error', () => {})
      this.ended = new Promise((resolve) => this.child.once('close', (code) => resolve(code ?? -1)))
      void this.ended.then(() => {
        running.delete(this.child)
        this.#said('')
      })
    }

    until(pattern: RegExp): Promise<this> {
      return new Promise((resolve, reject) => {
        const fail = (): void => reject(new Error(`waited in vain for ${pattern}: ${this.out}\n${this.err}`))
        const timer = setTimeout(fail, DEADLINE_MS)
        const look = (): void => {
          const isOver = this.child.exitCode !== null
          if (!pattern.test(this.out) && !isOver) return
          clearTimeout(timer)
          this.#looks.delete(look)
          if (pattern.test(this.out)) resolve(this)
          else fail()
        }
        this.#looks.add(look)
        look()
      })
    }

    #said(_text: string): void {
      for (const look of this.#looks) look()
    }
  }

  const wordsOf = (words: readonly string[]): string[] => [
    `--kubeconfig=${config}`,
    `--cache-dir=${folder}`,
    '--namespace=shop',
    ...words,
  ]
  const work = ({ program }: Kubectl, ...words: string[]): Work => new Work(program, wordsOf(words))
  const run = async (kubectl: Kubectl, words: string[], stdin = ''): Promise<Work & { code: number }> => {
    const started = work(kubectl, ...words)
    started.child.stdin!.end(stdin)
    return Object.assign(started, { code: await started.ended })
  }
  const good = async (kubectl: Kubectl, words: string[], stdin?: string): Promise<string> => {
    const { code, out, err } = await run(kubectl, words, stdin)
    return code === 0 ? out : `exit ${code}: ${err}`
  }

  // The controller-manager makes it a moment after the namespace.
  await cluster.operator.waitFor('/api/v1/namespaces/shop/serviceaccounts/default')
  t.equal(await good(newest, ['create', '-f', '-'], JSON.stringify(LAB)), 'pod/lab created\n')
  t.match(await good(newest, ['wait', '--for=condition=Ready', 'pod/lab', '--timeout=15s']), /condition met/)

  const tree = join(folder, 'tree')
  mkdirSync(join(tree, 'below'), { recursive: true })
  writeFileSync(join(tree, 'a'), 'A\n')
  writeFileSync(join(tree, 'below', 'big'), Buffer.alloc(300_000, 'x'))

  /** All of it, by one kubectl. `number` keeps the ports of two apart. */
  async function everything(t: Test, kubectl: Kubectl, number: number): Promise<void> {
    await t.test('exec', async (t) => {
      t.equal(await good(kubectl, ['exec', '-i', 'lab', '--', 'wc', '-c'], 'x'.repeat(100_000)), '100000\n')
      t.match(await run(kubectl, ['exec', 'lab', '--', 'sh', '-c', 'echo a; echo b >&2; exit 7']), {
        code: 7,
        out: 'a\n',
        err: /^b\ncommand terminated with exit code 7\n$/,
      })
    })

    await t.test('exec -it', { skip: script ? false : 'no script(1) is installed' }, async (t) => {
      const command = [kubectl.program, ...wordsOf(['exec', '-it', 'lab', '--', 'sh'])].map((word) => `'${word}'`)
      const typist = new Work(script, ['-qec', `stty rows 33 cols 101; ${command.join(' ')}`, '/dev/null'])
      const say = (text: string): boolean => typist.child.stdin!.write(text)
      await typist.until(/\/ # $/)
      say('stty size\r')
      await typist.until(/\r\n33 101\r\n\/ # $/)
      say('sleep 100\r')
      await typist.until(/sleep 100\r\n$/)
      say('\x03')
      await typist.until(/\^C\r\n\/ # $/)
      say('exit 4\r')
      t.equal(await typist.ended, 4)
    })

    await t.test('cp, there and back', async (t) => {
      t.equal(await good(kubectl, ['cp', tree, `lab:/tmp/there-${number}`]), '')
      t.match(await good(kubectl, ['exec', 'lab', '--', 'ls', '-l', `/tmp/there-${number}/below`]), / 300000 big\n$/)
      const back = join(folder, `back-${number}`)
      const { code, err } = await run(kubectl, ['cp', `lab:/tmp/there-${number}`, back])
      t.strictSame([code, err], [0, ''], 'with only what tar itself remarks on stdout')
      t.equal(readFileSync(join(back, 'a'), 'utf8'), 'A\n')
      t.equal(readFileSync(join(back, 'below', 'big')).length, 300_000)
    })

    await t.test('port-forward', async (t) => {
      const forward = work(kubectl, 'port-forward', '--address=127.0.0.1', 'pod/lab', ':8080', ':9999')
      await forward.until(/-> 8080\n[\s\S]*-> 9999\n/)
      const ports = [...forward.out.matchAll(/127\.0\.0\.1:(\d+) -> (\d+)/g)].map(([, local]) => Number(local))
      const asked = (port: number): Promise<string> =>
        new Promise((resolve) => {
          let text = ''
          const socket = connect(port, '127.0.0.1', () =>
            socket.write('GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
          )
          socket.setEncoding('utf8').on('data', (piece: string) => (text += piece))
          socket.on('error', () => {})
          socket.once('close', () => resolve(text))
        })
      t.match(await asked(ports[0]!), /^HTTP\/1\.1 200 OK\r\n[\s\S]*Hostname: lab\nContainer: main\n\nGET \/hello HTTP/)
      t.equal(await asked(ports[1]!), '')
      await forward.ended
      t.match(
        forward.err,
        /an error occurred forwarding \d+ -> 9999: error forwarding port 9999 to pod .*connection refused/,
      )
    })

    await t.test('attach and logs', async (t) => {
      const follower = work(kubectl, 'logs', '-f', 'lab')
      await follower.until(/^one\ntwo\n/)
      const attached = work(kubectl, 'attach', '-i', 'lab')
      const line = `typed by ${kubectl.minor} as number ${number}\n`
      attached.child.stdin!.write(line)
      await attached.until(new RegExp(line))
      await follower.until(new RegExp(line))
      attached.child.kill()
      follower.child.kill()
      t.equal(await good(kubectl, ['logs', 'lab', '--tail=1']), line)
      t.match(await good(kubectl, ['logs', 'lab', '--tail=1', '--timestamps']), /^\d{4}-\d\d-\d\dT[\d:.]+Z typed by/)
      t.equal(await good(kubectl, ['logs', 'lab', '--limit-bytes=5']), 'one\nt')
      t.match(await good(kubectl, ['logs', 'lab', '--since=1h']), /^one\ntwo\n/)
      t.equal(await good(kubectl, ['logs', 'lab', '--since-time=2100-01-01T00:00:00Z']), '')
      t.equal(
        await good(kubectl, ['logs', 'lab', '--previous']),
        'exit 1: Error from server (BadRequest): previous terminated container "main" in pod "lab" not found\n',
      )
    })
  }

  const each = new Set([kubectls[0]!, newest])
  for (const kubectl of each) {
    await t.test(`kubectl 1.${kubectl.minor}`, (t) => everything(t, kubectl, kubectl.minor))
  }

  await t.test('to a kubelet that takes SPDY only', async (t) => {
    const patch = JSON.stringify({ status: { declaredFeatures: [] } })
    const words = ['patch', 'node', 'worker-1', '--subresource=status', '--type=merge', '-p', patch]
    t.equal(await good(newest, words), 'node/worker-1 patched\n')
    await everything(t, newest, 0)
  })
})

/** Debian's etcdctl against our member: a client nobody here wrote, over mutual TLS. */
import t from 'tap'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { flagSet, MemberPlace, MemberProcess } from '../fidelity/etcd/member-process.ts'
import { RecordedPki } from '../fidelity/etcd/recorded-pki.ts'

const ENVIRONMENT = { PATH: process.env['PATH'], ETCDCTL_API: '3' }
const version = spawnSync('etcdctl', ['version'], { encoding: 'utf8', env: ENVIRONMENT })
const found = version.status === 0
const real = spawnSync('etcd', ['--version'], { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
if (!found) process.stderr.write('SKIPPED: etcdctl is not installed, no command of it was put to our etcd\n')

/** Counted since etcd 3.5 only. */
const SINCE_35 = new Set([
  'etcd_debugging_server_alarms',
  'etcd_disk_wal_write_duration_seconds',
  'etcd_server_healthcheck',
  'etcd_server_healthchecks_total',
])

interface Reply {
  header: { revision: number }
}

interface Said {
  code: number
  out: string
  err: string
}

t.test('etcdctl', { skip: found ? false : 'etcdctl is not installed' }, async (t) => {
  t.comment(version.stdout.trim().replace('\n', ', '))
  const place = await MemberPlace.create()
  t.teardown(() => place.remove())
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer', 'healthcheck-client', 'kubelet-client']) pki.credential(name)
  const member = new MemberProcess(place, flagSet('mtls'))
  t.teardown(() => member.process.kill())
  t.ok(await member.serves(), 'the member serves')

  const args = (words: readonly string[], credential: string | undefined): string[] => [
    `--endpoints=https://127.0.0.1:${place.clientPort}`,
    `--cacert=${join(place.pki, 'etcd-ca.crt')}`,
    ...(credential ? [`--cert=${place.pki}/${credential}.crt`, `--key=${place.pki}/${credential}.key`] : []),
    ...words,
  ]
  const run = (words: readonly string[], stdin = '', credential: string | undefined = 'healthcheck-client') =>
    new Promise<Said>((resolve) => {
      const options = { env: ENVIRONMENT, timeout: 20_000 }
      const child = execFile('etcdctl', args(words, credential), options, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, out: out.trimEnd(), err: err.trimEnd() }),
      )
      // Most commands read nothing, and some are gone before that is known.
      child.stdin!.on('error', () => {}).end(stdin)
    })
  const etcdctl = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await run(words)
    return code === 0 ? out : `exit ${code}: ${err}`
  }

  await t.test('puts, gets and deletes', async (t) => {
    t.equal(await etcdctl('put', 'a/1', 'one'), 'OK')
    t.equal(await etcdctl('put', 'a/2', 'two'), 'OK')
    t.equal(await etcdctl('put', 'b', 'other'), 'OK')
    t.equal(await etcdctl('get', 'a/1'), 'a/1\none')
    t.equal(await etcdctl('get', '--prefix', 'a/'), 'a/1\none\na/2\ntwo')
    t.equal(await etcdctl('get', '--prefix', '--keys-only', 'a/'), 'a/1\n\na/2')
    t.equal(await etcdctl('get', '--prefix', '--order=DESCEND', '--limit=1', 'a/'), 'a/2\ntwo')
    t.equal(await etcdctl('get', '--from-key', '--print-value-only', 'a/2'), 'two\nother')
    t.equal(await etcdctl('put', '--prev-kv', 'a/1', 'uno'), 'OK\na/1\none')
    t.equal(await etcdctl('get', '--rev=4', 'a/1'), 'a/1\none')
    t.equal(await etcdctl('del', '--prefix', '--prev-kv', 'a/'), '2\na/1\nuno\na/2\ntwo')
    t.equal(await etcdctl('get', '--prefix', 'a/'), '')
    t.match(await etcdctl('put', 'k', '--ignore-value'), /^exit 1: .*\nError: etcdserver: key not found$/s)
  })

  await t.test('asks first, then writes', async (t) => {
    await etcdctl('put', 'guard', 'closed')
    const order = 'value("guard") = "closed"\n\nput guard open\nget guard\n\nget guard\n\n'
    t.match(await run(['txn'], order), { code: 0, out: 'SUCCESS\n\nOK\n\nguard\nopen' })
    t.match(await run(['txn'], order), { code: 0, out: 'FAILURE\n\nguard\nopen' })
    t.match(await run(['txn'], 'version("nobody") = "0"\n\nput nobody here\n\n\n'), { code: 0, out: 'SUCCESS\n\nOK' })
  })

  await t.test('watches', async (t) => {
    const { header } = JSON.parse(await etcdctl('get', 'seen/1', '--write-out=json')) as Reply
    // From a revision on, so that it does not matter when the watch opens.
    const words = ['watch', '--prefix', '--prev-kv', `--rev=${header.revision + 1}`, 'seen/']
    const child = spawn('etcdctl', args(words, 'healthcheck-client'), {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => void child.kill('SIGKILL'))
    let seen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    await etcdctl('put', 'seen/1', 'new')
    await etcdctl('put', 'seen/1', 'newer')
    await etcdctl('put', 'unseen', 'x')
    await etcdctl('del', 'seen/1')
    while (!seen.includes('DELETE')) await once(child.stdout, 'data')
    child.kill('SIGINT')
    t.strictSame(seen.trimEnd().split('\n'), [
      ...['PUT', 'seen/1', 'new'],
      ...['PUT', 'seen/1', 'new', 'seen/1', 'newer'],
      ...['DELETE', 'seen/1', 'newer', 'seen/1'],
    ])
  })

  await t.test('grants and revokes', async (t) => {
    const granted = /^lease ([0-9a-f]+) granted with TTL\(300s\)$/.exec(await etcdctl('lease', 'grant', '300'))
    const id = granted?.[1] ?? ''
    t.not(id, '')
    t.equal(await etcdctl('put', `--lease=${id}`, 'leased', 'x'), 'OK')
    t.equal(await etcdctl('lease', 'list'), `found 1 leases\n${id}`)
    t.match(
      await etcdctl('lease', 'timetolive', '--keys', id),
      new RegExp(`^lease ${id} granted with TTL\\(300s\\), remaining\\(29\\ds\\), attached keys\\(\\[leased\\]\\)$`),
    )
    t.equal(await etcdctl('lease', 'keep-alive', '--once', id), `lease ${id} keepalived with TTL(300)`)
    t.equal(await etcdctl('lease', 'revoke', id), `lease ${id} revoked`)
    t.equal(await etcdctl('get', 'leased'), '')
    t.equal(await etcdctl('lease', 'timetolive', id), `lease ${id} already expired`)
    t.match(await etcdctl('lease', 'revoke', id), 'etcdserver: requested lease not found')
  })

  await t.test('compacts', async (t) => {
    await etcdctl('put', 'old', '1')
    const { header } = JSON.parse(await etcdctl('get', 'old', '--write-out=json')) as Reply
    const { revision } = header
    await etcdctl('put', 'old', '2')
    t.equal(await etcdctl('get', `--rev=${revision}`, 'old'), 'old\n1')
    t.equal(await etcdctl('compaction', String(revision + 1)), `compacted revision ${revision + 1}`)
    t.match(await etcdctl('get', `--rev=${revision}`, 'old'), /^exit 1: .*mvcc: required revision has been compacted$/s)
    t.match(await etcdctl('compaction', String(revision)), 'mvcc: required revision has been compacted')
    t.match(await etcdctl('get', `--rev=${revision + 50}`, 'old'), 'mvcc: required revision is a future revision')
  })

  await t.test('asks after the member', async (t) => {
    const url = `https://127.0.0.1:${place.clientPort}`
    const [status] = JSON.parse(await etcdctl('endpoint', 'status', '--write-out=json')) as [
      { Endpoint: string; Status: { version: string; leader: number; dbSize: number; header: { member_id: number } } },
    ]
    t.match(status, { Endpoint: url, Status: { version: '3.6.16' } })
    t.equal(status.Status.leader, status.Status.header.member_id)
    t.ok(status.Status.dbSize > 0)
    const health = await run(['endpoint', 'health'])
    t.match(health.out + health.err, new RegExp(`^${url} is healthy: `))
    const peer = `https://127.0.0.1:${place.ports.get('peer')}`
    t.match(await etcdctl('member', 'list'), new RegExp(`^[0-9a-f]+, started, m1, ${peer}, ${url}, false$`))
  })

  await t.test('watches several keys on one stream, interactively', async (t) => {
    const child = spawn('etcdctl', args(['watch', '-i'], 'healthcheck-client'), {
      env: ENVIRONMENT,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.teardown(() => void child.kill('SIGKILL'))
    let seen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    const { header } = JSON.parse(await etcdctl('get', 'i/1', '--write-out=json')) as Reply
    const rev = `--rev=${header.revision + 1}`
    child.stdin.write(`watch ${rev} i/1\nwatch ${rev} --prefix j/\n`)
    await etcdctl('put', 'i/1', 'one')
    await etcdctl('put', 'j/2', 'two')
    await etcdctl('put', 'i/11', 'unseen')
    await etcdctl('del', 'j/2')
    while (!seen.includes('DELETE')) await once(child.stdout, 'data')
    t.match(seen, /PUT\ni\/1\none\n/)
    t.match(seen, /PUT\nj\/2\ntwo\n/)
    t.notMatch(seen, 'unseen')
  })

  await t.test('locks and elects', async (t) => {
    const held = spawn('etcdctl', args(['lock', 'mutex'], 'healthcheck-client'), { env: ENVIRONMENT })
    t.teardown(() => void held.kill('SIGKILL'))
    const [name] = (await once(held.stdout, 'data')) as [Buffer]
    t.match(name.toString(), /^mutex\/[0-9a-f]+\n+$/)
    const waiting = run(['lock', 'mutex', 'echo', 'mine'])
    const tried = new Promise<void>((resolve) => {
      const look = async (): Promise<void> => {
        const { out } = await run(['get', '--prefix', '--keys-only', 'mutex/'])
        if (out.split('\n').filter(Boolean).length === 2) resolve()
        else await look()
      }
      void look()
    })
    await tried
    held.kill('SIGINT')
    t.match(await waiting, { code: 0, out: 'mine' }, 'the next one has its turn')
    const campaign = spawn('etcdctl', args(['elect', 'chief', 'ann'], 'healthcheck-client'), { env: ENVIRONMENT })
    t.teardown(() => void campaign.kill('SIGKILL'))
    await once(campaign.stdout, 'data')
    const observer = spawn('etcdctl', args(['elect', '--listen', 'chief'], 'healthcheck-client'), { env: ENVIRONMENT })
    t.teardown(() => void observer.kill('SIGKILL'))
    let told = ''
    observer.stdout.setEncoding('utf8').on('data', (text: string) => (told += text))
    while (!told.includes('ann')) await once(observer.stdout, 'data')
    t.match(told, /^chief\/[0-9a-f]+\nann\n$/)
  })

  await t.test('maintains', async (t) => {
    t.match(await etcdctl('defrag'), /^Finished defragmenting etcd member/)
    t.equal(await etcdctl('alarm', 'list'), '')
    t.match(await etcdctl('endpoint', 'hashkv'), /, \d+$/)
    t.match(await etcdctl('move-leader', '4d2'), /bad leader transferee|^exit /)
    const [, id = ''] = /^([0-9a-f]+),/.exec(await etcdctl('member', 'list')) ?? []
    t.match(
      await etcdctl('member', 'remove', id),
      'etcdserver: re-configuration failed due to not enough started members',
    )
    t.match(await etcdctl('member', 'add', 'm2', '--peer-urls=nowhere'), /^exit /)
    t.match(await etcdctl('member', 'promote', id), 'etcdserver: can only promote a learner member')
  })

  await t.test('knows users, roles and what they may do', async (t) => {
    const as = (user: string, ...words: string[]): Promise<string> => etcdctl(`--user=${user}`, ...words)
    t.equal(await etcdctl('user', 'add', 'root:secret'), 'User root created')
    t.equal(await etcdctl('role', 'add', 'root'), 'Role root created')
    t.equal(await etcdctl('user', 'grant-role', 'root', 'root'), 'Role root is granted to user root')
    t.equal(await etcdctl('user', 'add', 'alice:pw'), 'User alice created')
    t.equal(await etcdctl('role', 'add', 'reader'), 'Role reader created')
    t.equal(await etcdctl('role', 'grant-permission', '--prefix', 'reader', 'read', 'ours/'), 'Role reader updated')
    t.equal(await etcdctl('user', 'grant-role', 'alice', 'reader'), 'Role reader is granted to user alice')
    await etcdctl('put', 'ours/1', 'x')
    t.equal(await etcdctl('auth', 'enable'), 'Authentication Enabled')
    t.equal(await as('alice:pw', 'get', 'ours/1'), 'ours/1\nx')
    t.match(await as('alice:pw', 'get', 'b'), 'etcdserver: permission denied')
    t.match(await as('alice:pw', 'put', 'ours/1', 'y'), 'etcdserver: permission denied')
    t.match(await as('alice:wrong', 'get', 'ours/1'), 'authentication failed, invalid user ID or password')
    t.match(await etcdctl('get', 'ours/1'), 'etcdserver: permission denied', 'the name in the certificate is nobody')
    t.equal(await as('root:secret', 'user', 'list'), 'alice\nroot')
    t.match(await as('root:secret', 'user', 'delete', 'root'), 'etcdserver: invalid auth management')
    t.equal(await as('root:secret', 'auth', 'disable'), 'Authentication Disabled')
    t.equal(await etcdctl('get', 'ours/1'), 'ours/1\nx')
  })

  const isReal = real.status === 0
  await t.test(
    'counts the same checksum as a real one',
    { skip: isReal ? false : 'etcd is not installed' },
    async (t) => {
      t.comment(real.stdout.split('\n')[0] ?? '')
      const [ours, theirs] = [await MemberPlace.create(), await MemberPlace.create()]
      t.teardown(() => [ours, theirs].forEach((each) => each.remove()))
      for (const each of [ours, theirs]) {
        const own = new RecordedPki(each.pki)
        for (const name of ['server', 'peer', 'healthcheck-client']) own.credential(name)
      }
      const member = new MemberProcess(ours, flagSet('mtls'))
      t.teardown(() => member.process.kill())
      t.ok(await member.serves())
      const flags = flagSet('mtls').map((flag) => theirs.fill(flag))
      const other = spawn('etcd', flags, { stdio: 'ignore' })
      t.teardown(() => void other.kill('SIGKILL'))
      const put = (place: MemberPlace, words: string[], stdin = ''): Promise<Said> =>
        new Promise((resolve) => {
          const files = ['cacert=etcd-ca.crt', 'cert=healthcheck-client.crt', 'key=healthcheck-client.key']
          const shown = files.map((file) => `--${file.replace('=', `=${place.pki}/`)}`)
          const all = [`--endpoints=https://127.0.0.1:${place.clientPort}`, ...shown, ...words]
          const child = execFile('etcdctl', all, { env: ENVIRONMENT, timeout: 20_000 }, (error, out, err) =>
            resolve({ code: error ? 1 : 0, out: out.trimEnd(), err: err.trimEnd() }),
          )
          // Most commands read nothing, and some are gone before that is known.
          child.stdin!.on('error', () => {}).end(stdin)
        })
      while ((await put(theirs, ['endpoint', 'health'])).code !== 0) t.comment('the real one is not up yet')
      const sums = new Map<MemberPlace, string[]>([ours, theirs].map((place) => [place, []]))
      const order = 'version("x") = "0"\n\nput x 1\ndel a\nput y 2\n\n\n'
      for (const place of [ours, theirs]) {
        const sum = async (): Promise<void> => {
          const { out } = await put(place, ['endpoint', 'hashkv'])
          sums.get(place)!.push(out.split(', ')[1] ?? out)
        }
        for (const words of [
          ['put', 'a', '1'],
          ['put', 'b', '2'],
          ['put', 'a', '3'],
          ['del', 'b'],
        ])
          await put(place, words)
        await put(place, ['txn'], order)
        await put(place, ['put', 'x', '9'])
        await sum()
        await put(place, ['compaction', '5'])
        await sum()
        await put(place, ['put', 'y', '5'])
        await put(place, ['del', 'x'])
        await sum()
        await put(place, ['compaction', '8'])
        await sum()
      }
      t.match(sums.get(ours)![0], /^\d+$/)
      t.equal(new Set(sums.get(ours)).size, 4, 'each time another')
      t.strictSame(sums.get(ours), sums.get(theirs))
    },
  )

  await t.test(
    'metrics are those of the real one',
    { skip: real.status === 0 ? false : 'etcd is not installed' },
    async (t) => {
      const there = await MemberPlace.create()
      t.teardown(() => there.remove())
      const url = (port: string): string => there.fill(`http://{${port}}`)
      const flags = {
        'data-dir': there.data,
        metrics: 'extensive',
        'listen-client-urls': url('client'),
        'advertise-client-urls': url('client'),
        'listen-peer-urls': url('peer'),
        'initial-advertise-peer-urls': url('peer'),
        'initial-cluster': `default=${url('peer')}`,
      }
      const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
      const child = spawn('etcd', words, { env: { PATH: process.env['PATH'] }, stdio: 'ignore' })
      t.teardown(() => void child.kill('SIGKILL'))
      const told = async (address: string): Promise<string[]> => {
        for (let left = 100; ; left -= 1) {
          const text = await fetch(`${address}/metrics`).then(
            (reply) => reply.text(),
            () => '',
          )
          if (text !== '' || left === 0) return text.split('\n').filter((line) => line.startsWith('# '))
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
      await told(url('client'))
      // A series with labels is there once it has counted something.
      const asked = spawnSync('etcdctl', [`--endpoints=${url('client')}`, 'get', 'x'], { env: ENVIRONMENT })
      t.equal(asked.status, 0)
      const real = new Set(await told(url('client')))
      const ours = await told(place.fill('http://{metrics}'))
      t.ok(real.size > 100 && ours.length > 100)
      const differing = ours.filter((line) => !real.has(line)).map((line) => line.split(' ')[2]!)
      t.strictSame(
        differing.filter((name) => !SINCE_35.has(name)),
        [],
        'the same types, in the same words',
      )
    },
  )

  await t.test('is refused without a certificate of the right CA', async (t) => {
    const refused = (code: string): true | undefined =>
      member.witnessed.some((line) => line.about === 'certificate' && line.code === code) || undefined
    const words = ['--command-timeout=2s', '--dial-timeout=2s', 'get', 'b']
    t.match(await run(words, '', ''), { code: 1, out: '', err: /certificate required|deadline exceeded/ })
    t.ok(await member.until(() => refused('certificate_required'), 'the refusal'))
    t.match(await run(words, '', 'kubelet-client'), { code: 1, out: '', err: /unknown|deadline exceeded/ })
    t.ok(await member.until(() => refused('unknown_ca'), 'the refusal'))
    t.ok(member.log.some(({ error }) => error === "tls: client didn't provide a certificate"))
  })
})

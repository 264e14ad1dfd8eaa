/** Command lines as the real components read them. Rows with an `id` were recorded from the real ones. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { durationText, parseDurationMs } from '../../../lib/settings/duration.ts'
import { entryPoint } from '../../../lib/settings/entry-point.ts'
import { FlagError, parsePflags } from '../../../lib/settings/pflag.ts'
import type { FlagSet } from '../../../lib/settings/flag-set.ts'
import { parseGoFlags, type GoFlags } from '../../../lib/settings/go-flag.ts'
import { nearest } from '../../../lib/settings/near.ts'
import { isKnownIn, type FlagTable } from '../../../lib/settings/table.ts'
import { FLAGS as APISERVER } from '../../../sim/kube-apiserver/flags.ts'
import { FLAGS as CONTROLLER_MANAGER } from '../../../sim/kube-controller-manager/flags.ts'
import { FLAGS as ETCD } from '../../../sim/etcd/flags.ts'
import { FLAGS as KUBELET } from '../../../sim/kubelet/flags.ts'
import { FLAGS as SCHEDULER } from '../../../sim/kube-scheduler/flags.ts'

/** The refusal of a command line. */
function refusal(parse: () => unknown): FlagError {
  try {
    parse()
  } catch (error) {
    if (error instanceof FlagError) return error
    throw error
  }
  throw new Error('the command line was taken')
}

const TABLES: Record<string, FlagTable> = {
  'kube-apiserver': APISERVER,
  kubelet: KUBELET,
  'kube-scheduler': SCHEDULER,
  'kube-controller-manager': CONTROLLER_MANAGER,
}

const pflags = (component: string, argv: readonly string[], version = 'v1.36.3'): FlagSet =>
  parsePflags(TABLES[component]!, argv, { component, version })

const apiserver = (...argv: string[]): FlagSet => pflags('kube-apiserver', argv)

const etcd = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): GoFlags =>
  parseGoFlags(ETCD, argv, { component: 'etcd', env, envPrefix: 'ETCD_' })

t.test('what the real components refuse, in their words', async (t) => {
  const rows: [id: string, component: string, argv: string[], text: string][] = [
    ['start-unknown-flag', 'kube-apiserver', ['--nonsense=1'], 'unknown flag: --nonsense'],
    ['start-removed-insecure-port', 'kube-apiserver', ['--insecure-port=8080'], 'unknown flag: --insecure-port'],
    ['start-removed-basic-auth-file', 'kube-apiserver', ['--basic-auth-file=/x'], 'unknown flag: --basic-auth-file'],
    ['start-removed-kubelet-https', 'kube-apiserver', ['--kubelet-https=true'], 'unknown flag: --kubelet-https'],
    [
      'start-tls-bad-curve',
      'kube-apiserver',
      ['--tls-curve-preferences=P256'],
      'invalid argument "P256" for "--tls-curve-preferences" flag: strconv.ParseInt: parsing "P256": invalid syntax',
    ],
    [
      'start-bad-advertise',
      'kube-apiserver',
      ['--advertise-address=nonsense'],
      'invalid argument "nonsense" for "--advertise-address" flag: failed to parse IP: "nonsense"',
    ],
    [
      'start-bad-bind',
      'kube-apiserver',
      ['--bind-address=nonsense'],
      'invalid argument "nonsense" for "--bind-address" flag: failed to parse IP: "nonsense"',
    ],
    [
      'start-allow-privileged-word',
      'kube-apiserver',
      ['--allow-privileged=yes'],
      'invalid argument "yes" for "--allow-privileged" flag: strconv.ParseBool: parsing "yes": invalid syntax',
    ],
    [
      'start-service-account-extend',
      'kube-apiserver',
      ['--service-account-extend-token-expiration=nope'],
      'invalid argument "nope" for "--service-account-extend-token-expiration" flag: strconv.ParseBool: parsing "nope": invalid syntax',
    ],
    [
      'start-vmodule',
      'kube-apiserver',
      ['-v=abc'],
      'invalid argument "abc" for "-v, --v" flag: strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    ['flag-unknown', 'kubelet', ['--nonsense'], 'unknown flag: --nonsense'],
    [
      'flag-bool-word',
      'kubelet',
      ['--anonymous-auth=maybe'],
      'invalid argument "maybe" for "--anonymous-auth" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [
      'flag-port-word',
      'kubelet',
      ['--port=abc'],
      'invalid argument "abc" for "--port" flag: strconv.ParseInt: parsing "abc": invalid syntax',
    ],
    [
      'flag-v-word',
      'kubelet',
      ['--v=abc'],
      'invalid argument "abc" for "-v, --v" flag: strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    [
      'flag-removed-pod-infra',
      'kubelet',
      ['--pod-infra-container-image=x'],
      'unknown flag: --pod-infra-container-image',
    ],
    ['flag-removed-dynamic-config', 'kubelet', ['--dynamic-config-dir=/x'], 'unknown flag: --dynamic-config-dir'],
    ['scheduler-start-unknown-flag', 'kube-scheduler', ['--nonsense=1'], 'unknown flag: --nonsense'],
    [
      'scheduler-start-bind-address-bogus',
      'kube-scheduler',
      ['--bind-address=bogus'],
      'invalid argument "bogus" for "--bind-address" flag: failed to parse IP: "bogus"',
    ],
    ['controller-manager-start-unknown-flag', 'kube-controller-manager', ['--nonsense=1'], 'unknown flag: --nonsense'],
  ]
  for (const [id, component, argv, text] of rows) t.equal(refusal(() => pflags(component, argv)).message, text, id)
})

t.test('what etcd refuses, in its words', async (t) => {
  const rows: [id: string, argv: string[], text: string][] = [
    ['int-bad-value', ['--snapshot-count=many'], 'invalid value "many" for flag -snapshot-count: parse error'],
    ['duration-bad-value', ['--corrupt-check-time=5'], 'invalid value "5" for flag -corrupt-check-time: parse error'],
  ]
  for (const [id, argv, text] of rows) t.equal(refusal(() => etcd(argv)).message, text, id)
  const { positional } = etcd(['--name=m1', 'serve', '--name=m2']).flags
  t.strictSame(positional, ['serve', '--name=m2'], 'positional-argument: the first word that is no flag ends them')
})

t.test(`our hint is one line after the component's own`, async (t) => {
  const hint = (argv: string[], version?: string): string | undefined =>
    refusal(() => pflags('kube-apiserver', argv, version)).hint
  t.equal(
    hint(['--etcd-server=https://x']),
    '[flag_unknown] kube-apiserver: unknown flag --etcd-server (did you mean --etcd-servers?)',
  )
  t.equal(
    hint(['--nothing-that-looks-like-it']),
    '[flag_unknown] kube-apiserver: unknown flag --nothing-that-looks-like-it (--help lists the flags)',
  )
  t.equal(
    hint(['--insecure-port=0']),
    '[flag_unknown] kube-apiserver: unknown flag --insecure-port (kube-apiserver v1.36.3 does not know it (up to 1.23))',
  )
  t.equal(
    hint(['--enable-kubelet-cert-cn-validation']),
    '[flag_unknown] kube-apiserver: unknown flag --enable-kubelet-cert-cn-validation (kube-apiserver v1.36.3 does not know it (from 1.37))',
  )
  t.equal(hint(['--secure-port=x']), undefined, 'where the real text says all')
  t.equal(
    refusal(() => etcd(['-lissen-client-urls=x'])).hint,
    '[flag_unknown] etcd: unknown flag --lissen-client-urls (did you mean --listen-client-urls?)',
  )
  t.equal(refusal(() => etcd(['--nope=1'])).message, 'flag provided but not defined: -nope')
  t.equal(
    refusal(() => etcd(['--corrupt-check-time=5'])).hint,
    '[flag_value] time: missing unit in duration "5"',
    `Go's flag package hides why`,
  )
})

t.test('which flags are known is a matter of the version', async (t) => {
  t.equal(pflags('kube-apiserver', ['--insecure-port=8080'], 'v1.19.16').number('insecure-port'), 8080)
  const validation = 'enable-kubelet-cert-cn-validation'
  t.equal(pflags('kube-apiserver', [`--${validation}`], 'v1.37.0').bool(validation), true)
  const flag = { name: 'x', type: 'bool', default: '', effect: 'inert', since: '1.9', until: '1.23' } as const
  t.strictSame(
    ['1.8', 'v1.9.0', '1.10', '1.23.17', '1.24', 'v2.0'].map((version) => isKnownIn(flag, version)),
    [false, true, true, true, false, false],
    'versions compare as numbers',
  )
})

t.test(`pflag's syntax`, async (t) => {
  t.equal(apiserver('--secure-port=6443').number('secure-port'), 6443)
  t.equal(apiserver('--secure-port', '6444').number('secure-port'), 6444)
  t.equal(apiserver('--secure-port=1', '--secure-port=2').number('secure-port'), 2, 'the last one counts')
  t.equal(apiserver('--secure_port=6445').number('secure-port'), 6445, 'underscores are dashes')
  t.equal(apiserver('--etcd-prefix=/a=b').string('etcd-prefix'), '/a=b', 'only the first = parts')
  t.equal(apiserver('--etcd-prefix=').string('etcd-prefix'), '')
  t.equal(apiserver('--allow-privileged').bool('allow-privileged'), true)
  const spaced = apiserver('--allow-privileged', 'false', '--', '--secure-port=1')
  t.equal(spaced.bool('allow-privileged'), true, 'a bool takes no word after it')
  t.strictSame(spaced.positional, ['false', '--secure-port=1'], 'and nothing after -- is a flag')
  for (const [argv, level] of [
    [['-v=4'], 4],
    [['-v4'], 4],
    [['-v', '4'], 4],
    [['--v=4'], 4],
  ] as const) {
    t.equal(apiserver(...argv).number('v'), level, argv.join(' '))
  }
  t.equal(refusal(() => apiserver('--secure-port')).message, 'flag needs an argument: --secure-port')
  t.equal(refusal(() => apiserver('-v')).message, `flag needs an argument: 'v' in -v`)
  t.equal(refusal(() => apiserver('-x')).message, `unknown shorthand flag: 'x' in -x`)
  t.equal(refusal(() => apiserver('--=x')).message, 'bad flag syntax: --=x')
  t.equal(refusal(() => apiserver('---x')).message, 'bad flag syntax: ---x')
})

t.test('values by their type, and defaults as values', async (t) => {
  const flags = apiserver(
    '--authorization-mode=Node,RBAC',
    '--api-audiences=a',
    '--api-audiences=b,c',
    '--feature-gates=A=true,B=false',
    '--event-ttl=1h30m',
    '--bind-address=::1',
  )
  t.strictSame(flags.list('authorization-mode'), ['Node', 'RBAC'])
  t.strictSame(flags.list('api-audiences'), ['a', 'b', 'c'], 'repeated lists grow')
  t.equal(flags.durationMs('event-ttl'), 5_400_000)
  t.equal(flags.string('bind-address'), '::1')
  t.equal(flags.isSet('event-ttl'), true)
  const bare = apiserver()
  t.equal(bare.isSet('event-ttl'), false)
  t.equal(bare.durationMs('event-ttl'), 3_600_000)
  t.equal(bare.number('secure-port'), 6443)
  t.strictSame(bare.list('api-audiences'), [])
  t.equal(bare.string('advertise-address'), '', '<nil> is nothing')
  t.equal(bare.bool('anonymous-auth'), true)
  t.throws(() => bare.string('nonsense'), { message: '[flag_table] no flag is called --nonsense' })
  const refused = (word: string): string => refusal(() => apiserver(word)).message
  t.match(refused('--secure-port=0x'), /strconv.ParseInt: parsing "0x": invalid syntax$/)
  t.match(refused('--secure-port=99999999999999999999'), /strconv.ParseInt: .*: value out of range$/)
  t.match(refused('--v=-1'), /strconv.ParseUint: parsing "-1": invalid syntax$/)
  t.match(refused('--event-ttl=soon'), /for "--event-ttl" flag: time: invalid duration "soon"$/)
  t.equal(apiserver('--secure-port=0x1F90').number('secure-port'), 8080, 'Go reads prefixes')
  t.equal(apiserver('--secure-port=010').number('secure-port'), 8, 'and octal')
  const inert = apiserver('--watch-cache=false', '--secure-port=1').inertInUse.map(({ name }) => name)
  t.strictSame(inert, ['watch-cache'], 'what was given and has no effect here')
})

t.test(`etcd's syntax: Go's flag package, and the environment`, async (t) => {
  for (const argv of [['--name=m1'], ['-name=m1'], ['-name', 'm1'], ['--name', 'm1']]) {
    t.equal(etcd(argv).flags.string('name'), 'm1', argv.join(' '))
  }
  const flags = etcd(['--client-cert-auth', '--pre-vote=false', '--', '--name=x']).flags
  t.equal(flags.bool('client-cert-auth'), true)
  t.equal(flags.bool('pre-vote'), false)
  t.strictSame(flags.positional, ['--name=x'])
  const refused = (...argv: string[]): string => refusal(() => etcd(argv)).message
  t.equal(refused('--name'), 'flag needs an argument: -name')
  t.equal(refused('---name=x'), 'bad flag syntax: ---name=x')
  t.equal(refused('--=x'), 'bad flag syntax: --=x')
  t.equal(refused('--client-cert-auth=maybe'), 'invalid boolean value "maybe" for -client-cert-auth: parse error')
  t.equal(
    refused('--snapshot-count=99999999999999999999'),
    'invalid value "99999999999999999999" for flag -snapshot-count: value out of range',
  )
  const env = { ETCD_NAME: 'from-env', ETCD_CLIENT_CERT_AUTH: 'true', ETCD_DATA_DIR: '', ETCDCTL_API: '3' }
  const both = etcd(['--name=m1'], env)
  t.strictSame(both.fromEnvironment, ['client-cert-auth'], 'an empty variable says nothing')
  t.strictSame(both.shadowed, ['name'], 'the real one ends with this conflict named')
  t.equal(both.flags.bool('client-cert-auth'), true)
  t.equal(etcd([], env).flags.string('name'), 'from-env')
  t.match(
    refusal(() => etcd([], { ETCD_PRE_VOTE: 'x' })).message,
    'invalid boolean value "x" for -pre-vote: parse error',
  )
})

t.test(`Go's durations`, async (t) => {
  const read: [string, number][] = [
    ['0', 0],
    ['1h30m', 5_400_000],
    ['1h15m30.918s', 4_530_918],
    ['.5s', 500],
    ['5.s', 5000],
    ['-5m', -300_000],
    ['+5m', 300_000],
    ['100ms', 100],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1m1m', 120_000],
  ]
  for (const [text, milliseconds] of read) t.equal(parseDurationMs(text), milliseconds, text)
  const refused: [string, string][] = [
    ['', 'time: invalid duration ""'],
    ['abc', 'time: invalid duration "abc"'],
    ['-', 'time: invalid duration "-"'],
    ['.s', 'time: invalid duration ".s"'],
    ['1h ', 'time: unknown unit "h " in duration "1h "'],
    ['5', 'time: missing unit in duration "5"'],
    ['1h5', 'time: missing unit in duration "1h5"'],
    ['5x', 'time: unknown unit "x" in duration "5x"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
  ]
  for (const [text, message] of refused) t.throws(() => parseDurationMs(text), { message }, JSON.stringify(text))
  const printed: [number, string][] = [
    [0, '0s'],
    [5_400_000, '1h30m0s'],
    [60_000, '1m0s'],
    [1500, '1.5s'],
    [500, '500ms'],
    [1.5, '1.5ms'],
    [0.0015, '1.5µs'],
    [0.000002, '2ns'],
    [-90_000, '-1m30s'],
    [3_600_000, '1h0m0s'],
  ]
  for (const [milliseconds, text] of printed) t.equal(durationText(milliseconds), text, text)
})

t.test('the near word, where one is near', async (t) => {
  const words = ['open', 'kubeadm', 'hardened']
  t.equal(nearest('kubadm', words), 'kubeadm')
  t.equal(nearest('hardned', words), 'hardened')
  t.equal(nearest('opne', words), 'open')
  t.equal(nearest('zero-trust', words), undefined)
  t.equal(nearest('x', []), undefined)
})

t.test('a program is started packed, unless a checkout was compiled since', async (t) => {
  const compiled = join(t.testdir({ dist: { 'main.js': '' } }), 'dist')
  const [plain, packed] = ['main.js', 'main.cjs'].map((name) => join(compiled, name)) as [string, string]
  t.equal(entryPoint('.', compiled), plain, 'nothing was packed')
  writeFileSync(packed, '')
  utimesSync(packed, 1000, 1000)
  t.equal(entryPoint('.', compiled), packed, 'installed: a package manager gives files what times it likes')
  writeFileSync(join(compiled, '../tsconfig.json'), '{}')
  t.equal(entryPoint('.', compiled), plain, 'compiled since it was packed')
  utimesSync(plain, 1000, 1000)
  t.equal(entryPoint('.', compiled), packed)
})

t.test('V8 takes the code that a program was packed with', async (t) => {
  const programs = ['lib/attacker', 'lib/wire', 'sim/etcd', ...Object.keys(TABLES).map((name) => `sim/${name}`)]
  for (const program of programs) {
    const folder = join(import.meta.dirname, '../../..', program)
    const text = readFileSync(join(folder, 'main.bundle'), 'latin1')
    const cachedData = readFileSync(join(folder, `main.${process.version}.code`))
    t.equal(new Script(text, { cachedData }).cachedDataRejected, false, program)
  }
})

t.test('V8 takes what it is told to leave for later, and without a word', async (t) => {
  const module = JSON.stringify(new URL('../../../lib/settings/optimize-late.js', import.meta.url).href)
  const hot = 'let sum = 0; const add = (n) => { sum += n % 7 }; for (let n = 0; n < 2e4; n += 1) add(n)'
  const optimizedIn = (before: string): boolean => {
    const script = `${before}; ${hot}; console.log(String(%GetOptimizationStatus(add)))`
    const words = ['--allow-natives-syntax', '--no-concurrent-recompilation', '--input-type=module', '--eval', script]
    const { stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    })
    t.equal(stderr, '')
    // V8's OptimizationStatus::kOptimized (runtime.h).
    return (Number(stdout) & (1 << 4)) !== 0
  }
  const told = optimizedIn(`import { optimizeLate } from ${module}; optimizeLate()`)
  // Other versions weigh a loop of one function differently.
  if (!process.version.startsWith('v20.')) return
  t.equal(optimizedIn(''), true, 'the function is hot enough for a V8 that nobody told')
  t.equal(told, false)
})

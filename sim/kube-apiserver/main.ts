/** kube-apiserver's command line: reads the flags, starts, and ends as the real one does. */
import { followLifeline } from '../../lib/cluster/lifeline.ts'
import { witnessAs } from '../../lib/cluster/witness.ts'
import { klog, klogS } from '../../lib/kube/klog.ts'
import { optimizeLate } from '../../lib/settings/optimize-late.ts'
import { FlagError, parsePflags } from '../../lib/settings/pflag.ts'
import { FLAGS } from './flags.ts'
import { StartRefusal } from './options.ts'
import { serverVersion } from './server-version.ts'
import { startServer } from './start.ts'

optimizeLate()
witnessAs('kube-apiserver')
followLifeline()

const version = serverVersion()
void main().catch(refuse)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))

async function main(): Promise<void> {
  const flags = parsePflags(FLAGS, process.argv.slice(2), { component: 'kube-apiserver', version: version.gitVersion })
  if (flags.isSet('help')) {
    process.stdout.write(helpText())
    process.exit(0)
  }
  if (flags.isSet('version')) {
    process.stdout.write(`Kubernetes ${version.gitVersion}\n`)
    process.exit(0)
  }
  for (const { name, reason = '' } of flags.inertInUse) klog('I', 'flags.go:64', `[flag_inert] --${name}: ${reason}`)
  klog('I', 'server.go:153', `Version: ${version.gitVersion}`)
  await startServer(flags, version)
}

/** Exit code 1 for every refusal: cobra's text for a flag, the logged one for all else. */
function refuse(error: unknown): never {
  if (error instanceof FlagError) process.stderr.write(`Error: ${error.message}\n`)
  else klogS('E', 'run.go:72', 'command failed', { err: (error as Error).message })
  const hint = error instanceof FlagError || error instanceof StartRefusal ? error.hint : undefined
  if (hint !== undefined) process.stderr.write(`${hint}\n`)
  process.exit(1)
}

function helpText(): string {
  const lines = FLAGS.filter(({ hidden }) => !hidden).map(({ name, type }) => `      --${name} ${type}`)
  return `Usage:\n  kube-apiserver [flags]\n\nFlags:\n${lines.join('\n')}\n`
}

#!/usr/bin/env node
/** The command line. One file per command; this one knows only their names and the exit codes. */
import { Command, CommanderError } from 'commander'
import { machineFault } from '../cluster/machine-fault.ts'
import { COMPONENTS } from '../posture/component.ts'
import { optimizeLate } from '../settings/optimize-late.ts'
import { packageVersion } from '../settings/package-root.ts'
import { EXIT } from './exit.ts'

optimizeLate()

const program = new Command('mtls-range')
  .description('A firing range for the TLS that holds a Kubernetes cluster together.')
  .version(packageVersion())
  .showHelpAfterError('(mtls-range --help shows the commands)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  mtls-range attack --tour                           a few attacks against three postures, to begin with
  mtls-range attack                                  every attack against every shipped posture
  mtls-range attack anon-apiserver --posture kubeadm one attack, one posture
  mtls-range attack --posture ./my-cluster --json    your own posture, one JSON row per line
  mtls-range up --posture hardened                   a cluster to point kubectl, etcdctl and Wireshark at
  mtls-range explain kubelet-cert-to-etcd            its story, its path, and how its last run went
  mtls-range run etcd --version                      one component alone, with the real binary's flags

Exit codes: 0 every row as expected · 1 a row is not · 2 usage or harness fault`,
  )

program
  .command('attack')
  .description('Run attacks, each with its control run, and print what stopped them.')
  .argument('[id...]', 'aim/name, name, or name:variant; all where none is given')
  .option(
    '-p, --posture <posture...>',
    'a shipped one by name, or a folder shaped as one of them; all shipped ones where none is given',
  )
  .option('--tour', 'where neither is named: a few attacks and three postures, to begin with, in place of all')
  .option('--json', 'one JSON row per line on stdout')
  .option('--baseline <file>', 'rows of an earlier --json; exit 1 when a row differs')
  .option('--report <format=file...>', 'junit, sarif, tap, markdown or html, written to that file')
  .option('--fail-on-skip', 'exit 1 when a row was skipped')
  .option('--clusters <n>', 'clusters alive at once', '2')
  .option('--etcd-members <n>', 'run only the first members of the etcd cluster')
  .option(
    '--with <component=path...>',
    'a real binary in the place of a simulated component, such as etcd=/usr/bin/etcd',
  )
  .action(async (ids: string[], options: object) => (await import('./attack.ts')).attack(ids, options))

program
  .command('list')
  .description('List the attacks, their variants and what each posture should answer.')
  .option('--json', 'one JSON object per line on stdout')
  .action(async (options: object) => (await import('./list.ts')).list(options))

program
  .command('explain')
  .description('Tell the story of an attack, what each posture should answer and why, and how its last run went.')
  .argument('<id...>', 'aim/name, name, or name:variant')
  .action(async (ids: string[]) => (await import('./explain.ts')).explain(ids))

program
  .command('up')
  .description('Keep a cluster running and say how to reach it.')
  .option('-p, --posture <posture>', 'a shipped one by name, or a folder shaped as one of them', 'kubeadm')
  .option('--etcd-members <n>', 'run only the first members of the etcd cluster')
  .option('--timing', 'say where the time of the start went')
  .option(
    '--with <component=path...>',
    'a real binary in the place of a simulated component, such as etcd=/usr/bin/etcd',
  )
  .action(async (options: object) => (await import('./up.ts')).up(options))

program
  .command('doctor')
  .description('Check what this machine can and cannot do, and what each lack weakens; exit 2 where nothing can run.')
  .option('--json', 'one JSON object per check on stdout')
  .action(async (options: object) => (await import('./doctor.ts')).doctor(options))

program
  .command('run')
  .usage('<component> [flags…]')
  .description("Start one component alone, with the real binary's own flags, output, signals and exit codes.")
  .addHelpText(
    'after',
    `
Components: ${COMPONENTS.join(', ')}
All that follows the component's name is the component's: \`mtls-range run etcd --help\` is etcd's help.

Example:
  mtls-range run etcd --name m0 --listen-client-urls http://127.0.0.9:2379 --advertise-client-urls http://127.0.0.9:2379`,
  )
  .action((_options: object, command: Command) => command.help({ error: true }))

// Whoever read our output has read enough: `mtls-range list | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : EXIT.fault)
})

try {
  const [name, component, ...flags] = process.argv.slice(2)
  // Before commander sees it: nothing after a component's name is ours to read.
  if (name === 'run' && component !== undefined && !component.startsWith('-')) {
    await (await import('./run.ts')).run(component, flags)
  } else await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** One line for whoever typed the command; a stack only for a fault of ours. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.fault
  const { message } = machineFault(error) ?? (error instanceof Error ? error : new Error(String(error)))
  const isOurs = /^\[[a-z0-9_]+\] /.test(message)
  process.stderr.write(`${isOurs ? message : `[harness_fault] ${(error as Error).stack ?? message}`}\n`)
  return EXIT.fault
}

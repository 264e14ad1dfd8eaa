/**
 * A real binary in the place of a simulated component: the same posture, the same supervisor. The binary itself says
 * which flags it knows (`--help`), so that a version other than the posture's image tag can stand in; what it does not
 * know is left out, and that is said.
 */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import type { Launch } from '../posture/render-host.ts'
import type { HostAddresses } from './addresses.ts'

export interface RealBinary {
  component: string
  path: string
  /** As `--version` says it: `3.4.23`. */
  version: string
  /** Of the Go that it was built with: 19 for 1.19; NaN where it does not say. */
  goMinor: number
  /** Names of its flags, without dashes. */
  flags: ReadonlySet<string>
  /** Told what is not as the posture has it, once each. */
  say: (notice: string) => void
}

/** kube-apiserver and the others bind wildcards by default, which no range lets a process of its own do. */
const SUPPORTED = ['etcd']

/**
 * Reads `etcd=/usr/bin/etcd` and asks the binary what it is.
 *
 * @throws Error `[with_component]`, `[with_binary]`
 */
export async function realBinary(word: string, say: (notice: string) => void): Promise<RealBinary> {
  const [, component = '', path = ''] = /^([^=]*)=(.+)$/.exec(word) ?? []
  if (!SUPPORTED.includes(component)) {
    const text = `[with_component] --with ${word}: must be <component>=PATH, and only ${SUPPORTED.join(', ')} can be put in so far`
    throw new Error(text)
  }
  const program = path.includes('/') ? resolve(path) : path
  const [about, help] = await Promise.all([output(program, '--version'), output(program, '--help')])
  const version = new RegExp(`^${component} Version: (\\S+)`, 'im').exec(about.text)?.[1]
  if (version === undefined) {
    const came = about.error ?? (JSON.stringify(about.text.split('\n')[0]) || 'nothing')
    throw new Error(`[with_binary] ${path}: must be ${component}, but --version answers ${came}`)
  }
  const flags = new Set(Array.from(help.text.matchAll(/^\s+--([a-z][\w-]*)/gm), (match) => match[1]!))
  const said = new Set<string>()
  return {
    component,
    path: program,
    version,
    goMinor: Number(/go1\.(\d+)/.exec(about.text)?.[1] ?? Number.NaN),
    flags,
    say: (notice) => {
      if (said.has(notice)) return
      said.add(notice)
      say(notice)
    },
  }
}

/** The command line for a launch: its flags as far as the binary knows them, under the name that it knows them by. */
export function realCommand(binary: RealBinary, launch: Launch, { back, loop }: HostAddresses): string[] {
  const leftOut: string[] = []
  const args = launch.args.flatMap((arg) => {
    const [, name = '', value = ''] = /^--?([^=]+)(=.*)?$/s.exec(arg) ?? []
    const known = [name, `experimental-${name}`].find((each) => binary.flags.has(each))
    if (known !== undefined) return [`--${known}${confined(name, value, back, loop)}`]
    leftOut.push(`--${name}`)
    return []
  })
  // Its log is where its refusals are read from.
  if (binary.flags.has('logger') && !args.some((arg) => arg.startsWith('--logger='))) args.push('--logger=zap')
  const missing = leftOut.length === 0 ? '' : `; it does not know ${leftOut.join(', ')}: left out`
  binary.say(`${binary.component} ${binary.version} (${binary.path}) in the place of the simulated one${missing}`)
  return [binary.path, ...args]
}

/** A wildcard listen address means this host's back and loop, as it does to a simulated component. */
function confined(name: string, value: string, back: string, loop: string): string {
  if (!name.startsWith('listen-')) return value
  const urls = value.slice(1).split(',')
  const wildcard = /\/\/(?:0\.0\.0\.0|\[::\])?(?=:\d)/
  return `=${urls.flatMap((url) => (wildcard.test(url) ? [back, loop].map((each) => url.replace(wildcard, `//${each}`)) : [url])).join(',')}`
}

function output(program: string, argument: string): Promise<{ text: string; error?: string }> {
  return new Promise((done) => {
    execFile(program, [argument], { timeout: 5000 }, (error, stdout, stderr) => {
      const isMissing = error && typeof error.code === 'string'
      done({ text: stdout + stderr, ...(isMissing ? { error: error.message } : {}) })
    })
  })
}

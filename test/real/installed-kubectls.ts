/** The kubectl programs of this machine: the one on PATH, and those that lie beside it, named by their version. */
import { spawnSync } from 'node:child_process'
import { readdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Kubectl {
  program: string
  /** 33 of v1.33.1. */
  minor: number
}

/** Oldest first, each minor version once. */
export function installedKubectls(oldestMinor: number): Kubectl[] {
  const found = spawnSync('/bin/sh', ['-c', 'command -v kubectl'], { encoding: 'utf8' }).stdout.trim()
  if (found === '') return []
  const folder = dirname(realpathSync(found))
  const beside = readdirSync(folder).filter((name) => /^kubectl\.1\.\d+$/.test(name))
  const byMinor = new Map<number, Kubectl>()
  for (const program of [...beside.map((name) => join(folder, name)), found]) {
    const { status, stdout } = spawnSync(program, ['version', '--client', '--output=json'], { encoding: 'utf8' })
    if (status !== 0) continue
    const { clientVersion } = JSON.parse(stdout) as { clientVersion: { gitVersion: string } }
    const minor = Number(/1\.(\d+)/.exec(clientVersion.gitVersion)?.[1] ?? 0)
    if (minor >= oldestMinor && !byMinor.has(minor)) byMinor.set(minor, { program, minor })
  }
  return [...byMinor.values()].sort((one, other) => one.minor - other.minor)
}

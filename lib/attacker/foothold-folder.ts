/** Lays a foothold out as a folder with exactly what the attacker holds: regular files, no links, 0600. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../cluster/cluster.ts'
import { copySparse } from './copy-sparse.ts'
import type { Foothold } from './foothold.ts'

export function makeFootholdFolder(runFolder: string): string {
  const parent = join(runFolder, 'footholds')
  mkdirSync(parent, { recursive: true, mode: 0o711 })
  return mkdtempSync(join(parent, 'foothold-'))
}

/** `pod` is the goal's own, where there is one. */
export async function fillFoothold(
  folder: string,
  foothold: Foothold,
  cluster: Cluster,
  pod: { namespace: string; pod: string },
): Promise<void> {
  for (const [name, holding] of Object.entries(foothold.holds)) {
    if ('stolen' in holding) copyFileSync(join(cluster.hostFolder(holding.host), holding.stolen), join(folder, name))
    // What leaks goes on leaking: a foothold is filled more than once.
    if ('stolenFolder' in holding) rmSync(join(folder, name), { recursive: true, force: true })
    if ('stolenFolder' in holding)
      copyFolder(join(cluster.hostFolder(holding.host), holding.stolenFolder), join(folder, name))
    if ('sessionKeysOf' in holding) writeFileSync(join(folder, name), cluster.sessionKeys(holding.sessionKeysOf))
    if ('fromPod' in holding) {
      const { stdout } = await cluster.operator.exec({ ...pod, command: ['cat', holding.fromPod] })
      writeFileSync(join(folder, name), stdout)
    }
    if ('told' in holding) writeFileSync(join(folder, name), holding.told)
    if ('minted' in holding) {
      const { cert, key } = await cluster.mint(holding.minted)
      writeFileSync(join(folder, `${name}.crt`), cert)
      writeFileSync(join(folder, `${name}.key`), key)
    }
  }
  refuseLinks(folder)
  giveTo(folder, foothold.stands.on === 'machine' ? foothold.stands.uid : undefined)
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) copyFolder(join(from, entry.name), join(to, entry.name))
    else if (entry.isFile()) copySparse(join(from, entry.name), join(to, entry.name))
  }
}

/** Node's permission model follows links out of an allowed folder, so a foothold holds none. */
export function refuseLinks(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() && !entry.isDirectory()) {
      throw new Error(`[foothold_link] ${join(entry.parentPath, entry.name)}: a foothold holds regular files only`)
    }
  }
}

function giveTo(folder: string, uid: number | undefined): void {
  const paths = [
    folder,
    ...readdirSync(folder, { withFileTypes: true, recursive: true }).map((entry) => join(entry.parentPath, entry.name)),
  ]
  for (const path of paths) {
    chmodSync(path, lstatSync(path).isDirectory() ? 0o700 : 0o600)
    if (uid !== undefined) chownSync(path, uid, uid)
  }
}

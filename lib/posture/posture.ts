/**
 * A posture: how one cluster is set up, as the real files it would have. Binding shape:
 *
 * ```
 * posture.yaml                  title, what it stands for, hosts by role, network policy, modes of files
 * pki.yaml                      certificates, keys and kubeconfigs to make (pki-plan.ts)
 * hosts/<role>/…                the file tree of every host of that role, from its root: etc/kubernetes/manifests/*.yaml,
 *                               var/lib/kubelet/config.yaml, kubeadm-flags.env, whatever a flag names
 * hosts/<host>/…                files that only this host has, or has otherwise than its role
 * cluster/*.yaml                objects to create once the cluster stands, in order of file name
 * ```
 *
 * posture.yaml:
 *
 * ```yaml
 * title: As kubeadm leaves it
 * standsFor: A cluster made by kubeadm 1.36 …
 * hosts:
 *   control-plane:
 *   - {name: control-plane-1, address: 192.0.2.10}   # the address that the files use
 * network: {allow: everything}                       # or a list of {from: worker, to: control-plane, ports: [6443]}
 * files:                                             # modes; default 0644, and 0755 for folders. First match wins
 * - {on: control-plane, path: /etc/kubernetes/manifests/, mode: '0700'}   # a final slash means the folder
 * - {path: /etc/kubernetes/manifests/*, mode: '0600'}
 * ```
 *
 * There are no placeholders: a user's own /etc/kubernetes fits into hosts/control-plane/etc/kubernetes as it is, and
 * launching maps whole addresses and paths (render-host.ts). A posture is a value: changes make another one.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import { packageRoot } from '../settings/package-root.ts'
import { nearest } from '../settings/near.ts'
import type { PkiPlan } from './pki-plan.ts'
import { readPkiPlan } from './read-pki-plan.ts'
import { readPostureFile, type PostureFile } from './posture-file.ts'
import { checkSyntax, PostureError } from './yaml-file.ts'

export type { FileMode, NetworkRule, PostureHost } from './posture-file.ts'

export interface Posture extends PostureFile {
  /** Name of its folder: `kubeadm`. */
  name: string
  /** Whether it is one of the package's own, for which scenarios state what they expect. */
  shipped: boolean
  /** Where it was read from. */
  folder: string
  pki: PkiPlan
  /** Every file by its path below the folder, with `/` as separator. */
  files: ReadonlyMap<string, string>
}

/** From the weakest to the strongest; a table's columns stand in this order. */
const SHIPPED = ['open', 'encrypted', 'kubeadm', 'hardened', 'zero-trust']

function shippedFolder(): string {
  return join(packageRoot(), 'sim', 'postures')
}

/** Names of the postures that come with the package. */
export async function shippedPostures(): Promise<string[]> {
  const found = (await readdir(shippedFolder(), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  return [
    ...SHIPPED.filter((name) => found.includes(name)),
    ...found.filter((name) => !SHIPPED.includes(name)).toSorted(),
  ]
}

/**
 * Reads a shipped posture by name, or any other by its folder.
 *
 * @throws PostureError `[posture_missing]` when there is none, and with file and line for what is wrong inside.
 */
export async function loadPosture(nameOrFolder: string): Promise<Posture> {
  const names = await shippedPostures()
  const shipped = names.includes(nameOrFolder)
  const folder = shipped ? join(shippedFolder(), nameOrFolder) : resolve(nameOrFolder)
  if (!existsSync(join(folder, 'posture.yaml'))) {
    const near = nearest(nameOrFolder, names)
    const advice = near ? `did you mean ${near}?` : `shipped are ${names.join(', ')}`
    const what = existsSync(folder) ? 'the folder holds no posture.yaml' : 'no posture and no folder of that name'
    throw new PostureError('posture_missing', nameOrFolder, undefined, `${what} (${advice})`)
  }
  const files = await readTree(folder)
  for (const [path, text] of files) if (path.startsWith('cluster/')) checkSyntax(path, text)
  return posture({ name: basename(folder), shipped, folder, files })
}

/** Makes the value from its files, checking all that can be checked without starting anything. */
export function posture(from: Pick<Posture, 'name' | 'shipped' | 'folder' | 'files'>): Posture {
  const file = readPostureFile('posture.yaml', textOf(from.files, 'posture.yaml'))
  const roles = new Set(file.hosts.map((host) => host.role))
  const places = [...new Set([...roles, ...file.hosts.map((host) => host.name)])]
  for (const path of from.files.keys()) {
    const [top, place = ''] = path.split('/')
    if (top === 'hosts' && !places.includes(place)) {
      throw new PostureError(
        'posture_host',
        `hosts/${place}`,
        undefined,
        `no role or host is called ${place} in posture.yaml; known are ${places.join(', ')}`,
      )
    }
  }
  const pki = readPkiPlan('pki.yaml', textOf(from.files, 'pki.yaml'), places)
  return { ...from, ...file, pki }
}

function textOf(files: ReadonlyMap<string, string>, path: string): string {
  const text = files.get(path)
  if (text === undefined) throw new PostureError('posture_file_missing', path, undefined, 'a posture needs this file')
  return text
}

/** The posture with one file written, or removed where `text` is undefined. The posture itself stays as it is. */
export function withFile(from: Posture, path: string, text: string | undefined): Posture {
  if (from.files.get(path) === text) return from
  const files = new Map(from.files)
  if (text === undefined) files.delete(path)
  else files.set(path, text)
  // Only these two are parsed into the value; everything else is text until a host is rendered.
  return path === 'posture.yaml' || path === 'pki.yaml' ? posture({ ...from, files }) : { ...from, files }
}

/** The posture with every file at `path` of a host's tree edited, whichever role or host it belongs to. */
export function editHostFiles(from: Posture, path: string, edit: (text: string, file: string) => string): Posture {
  let changed = from
  for (const [file, text] of from.files) {
    const [top, , ...rest] = file.split('/')
    if (top === 'hosts' && `/${rest.join('/')}` === path) changed = withFile(changed, file, edit(text, file))
  }
  return changed
}

/** The posture's own path of a host's file: `/etc/x` of worker-1 is `hosts/worker/etc/x`. */
export function postureFile(from: Pick<Posture, 'hosts' | 'files'>, hostName: string, path: string): string {
  const own = `hosts/${hostName}${path}`
  const role = from.hosts.find((each) => each.name === hostName)?.role
  return from.files.has(own) || role === undefined ? own : `hosts/${role}${path}`
}

/** The files of one host by absolute path: its role's, and its own over them. */
export function hostFiles(from: Posture, hostName: string): Map<string, string> {
  const host = from.hosts.find((each) => each.name === hostName)
  const files = new Map<string, string>()
  for (const place of [host?.role, hostName]) {
    if (place === undefined) continue
    const prefix = `hosts/${place}/`
    for (const [path, text] of from.files) {
      if (path.startsWith(prefix)) files.set(`/${path.slice(prefix.length)}`, text)
    }
  }
  return files
}

async function readTree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const)),
  )
}

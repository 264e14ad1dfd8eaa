/** Reads the import lines of the whole tree: arrows point down, and each third-party package has one door. */
import t from 'tap'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { packageRoot } from '../lib/settings/package-root.ts'

/** Rooms of lib from top to bottom; a room imports from itself and from rooms below. */
const ROOMS = [
  ['cli'],
  ['report'],
  ['scenario'],
  ['attacker'],
  ['cluster'],
  ['wire'],
  ['posture'],
  ['kube', 'etcd'],
  ['tls'],
  ['x509'],
  ['settings'],
]

/** The one place that imports a third-party package. A trailing slash means any file of that folder. */
const DOORS: Record<string, string | readonly string[]> = {
  selfsigned: 'lib/x509/issue.ts',
  '@peculiar/x509': 'lib/x509/odd.ts',
  undici: ['lib/kube/client.ts', 'lib/kube/undici-client.d.ts'],
  ws: 'lib/kube/websocket.ts',
  yaml: 'lib/settings/yaml.ts',
  '@noble/ciphers': 'sim/kube-apiserver/storage/secretbox.ts',
  '@bufbuild/protobuf': ['lib/etcd/', 'sim/etcd/'],
  commander: 'lib/cli/',
  esbuild: 'lib/settings/pack-entry-points.ts',
  tap: 'test/',
}

export interface ImportLine {
  from: string
  /** A path in the tree, a package's name, or `node:…`. */
  to: string
}

export function importsOf(file: string, text: string): ImportLine[] {
  const found: ImportLine[] = []
  const pattern = /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  for (const match of text.matchAll(pattern)) {
    const name = match[1] ?? match[2] ?? ''
    found.push({ from: file, to: name.startsWith('.') ? normalize(join(dirname(file), name)) : name })
  }
  return found
}

/** Why an import is not allowed, or undefined. */
export function complaint({ from, to }: ImportLine): string | undefined {
  if (to.startsWith('node:')) return undefined
  if (!/^(lib|sim|scenarios|test)\//.test(to)) return doorComplaint(from, to)
  const [fromTop, fromRoom = ''] = from.split('/')
  const [toTop, toRoom = ''] = to.split('/')
  if (fromTop === 'test') return undefined
  if (toTop === 'test') return `${from} imports the tests' ${to}`
  if (fromTop === 'lib' && toTop !== 'lib') return `${from} imports ${to}: lib knows no component and no attack`
  if (fromTop === 'sim' && toTop === 'sim' && fromRoom !== toRoom) return `${from} imports another component's ${to}`
  if (fromTop === 'sim' && toTop === 'scenarios') return `${from} imports the attack ${to}`
  if (fromTop === 'scenarios' && toTop === 'sim') return `${from} imports the component ${to}`
  if (fromTop === 'lib') {
    const depth = (room: string): number => ROOMS.findIndex((rooms) => rooms.includes(room))
    if (depth(fromRoom) === -1 || depth(toRoom) === -1)
      return `${from} -> ${to}: a room that DOORS and ROOMS do not know`
    if (depth(toRoom) < depth(fromRoom)) return `${from} imports ${to}: the arrow runs up`
    if (depth(toRoom) === depth(fromRoom) && fromRoom !== toRoom) return `${from} imports its neighbour ${to}`
  }
  return undefined
}

function doorComplaint(from: string, to: string): string | undefined {
  const name = to.startsWith('@') ? to.split('/').slice(0, 2).join('/') : (to.split('/')[0] ?? to)
  if (from.startsWith('test/') && name !== 'selfsigned') return undefined
  const door = DOORS[name]
  if (door === undefined) return `${from} imports ${name}, a package without a door`
  const doors = [door].flat()
  const through = doors.some((each) => (each.endsWith('/') ? from.startsWith(each) : from === each))
  return through ? undefined : `${from} imports ${name}; its one door is ${doors.join(' and ')}`
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

t.test('no arrow runs up and no package is used outside its door', async (t) => {
  const root = packageRoot()
  const files = ['lib', 'sim', 'scenarios', 'test'].flatMap((top) => sources(join(root, top)))
  const lines = files.flatMap((file) => importsOf(relative(root, file), readFileSync(file, 'utf8')))
  t.ok(lines.length > 100, 'the import lines are found')
  t.strictSame(lines.map(complaint).filter(Boolean), [])
})

t.test('planted offences are caught', async (t) => {
  const caught = (from: string, text: string): (string | undefined)[] => importsOf(from, text).map(complaint)
  t.match(caught('lib/tls/dial.ts', "import { x } from '../../sim/etcd/main.ts'"), [/lib knows no component/])
  t.match(caught('lib/tls/dial.ts', "import type { x } from '../kube/client.ts'"), [/the arrow runs up/])
  t.match(caught('lib/kube/client.ts', "export { x } from '../etcd/client.ts'"), [/its neighbour/])
  t.match(caught('sim/kubelet/main.ts', "import {\n  x,\n} from '../etcd/main.ts'"), [/another component's/])
  t.match(caught('lib/tls/dial.ts', "const { Pool } = await import('undici')"), [
    /its one door is lib\/kube\/client.ts/,
  ])
  t.match(caught('sim/etcd/main.ts', "import leftPad from 'left-pad'"), [/without a door/])
  t.strictSame(caught('sim/etcd/main.ts', "import net from 'node:net'\nimport { x } from '../../lib/tls/dial.ts'"), [
    undefined,
    undefined,
  ])
})

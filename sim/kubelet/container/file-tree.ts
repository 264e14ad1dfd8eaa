/** The files of one container, in memory: image, mounted volumes, and what its commands write. Nothing of the machine. */
export type FileError = 'No such file or directory' | 'Is a directory' | 'Not a directory' | 'Read-only file system'

export class FileTree {
  readonly #files = new Map<string, Buffer>()
  readonly #folders = new Set<string>([
    '/',
    '/bin',
    '/etc',
    '/proc',
    '/root',
    '/tmp',
    '/usr',
    '/usr/bin',
    '/var',
    '/var/run',
  ])
  readonly #readOnly = new Set<string>()

  /** Puts a file from outside, with its folders. */
  put(path: string, content: Buffer | string): void {
    const clean = resolvePath('/', path)
    this.#files.set(clean, Buffer.from(content as string))
    for (let folder = parent(clean); !this.#folders.has(folder); folder = parent(folder)) this.#folders.add(folder)
  }

  /** A volume: its folder exists even when it is empty. Files of before that are gone from it are removed. */
  mount(path: string, files: ReadonlyMap<string, Buffer>, readOnly: boolean): void {
    const folder = resolvePath('/', path)
    for (const known of this.#files.keys()) if (known.startsWith(`${folder}/`)) this.#files.delete(known)
    this.put(`${folder}/.`, '')
    this.#files.delete(folder)
    for (let each = folder; !this.#folders.has(each); each = parent(each)) this.#folders.add(each)
    for (const [name, content] of files) this.put(`${folder}/${name}`, content)
    if (readOnly) this.#readOnly.add(folder)
  }

  read(path: string): Buffer | FileError {
    const file = this.#files.get(path)
    if (file) return file
    return this.#folders.has(path) ? 'Is a directory' : 'No such file or directory'
  }

  write(path: string, content: Buffer, append: boolean): FileError | undefined {
    if (this.#folders.has(path)) return 'Is a directory'
    if (!this.#folders.has(parent(path))) return 'No such file or directory'
    for (let folder = parent(path); folder !== '/'; folder = parent(folder)) {
      if (this.#readOnly.has(folder)) return 'Read-only file system'
    }
    const before = append ? (this.#files.get(path) ?? Buffer.alloc(0)) : Buffer.alloc(0)
    this.#files.set(path, Buffer.concat([before, content]))
    return undefined
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path)
  }

  isFile(path: string): boolean {
    return this.#files.has(path)
  }

  /** Names in a folder, sorted. */
  list(folder: string): string[] {
    const prefix = folder === '/' ? '/' : `${folder}/`
    const names = new Set<string>()
    for (const path of [...this.#files.keys(), ...this.#folders]) {
      if (path.startsWith(prefix) && path !== folder) names.add(path.slice(prefix.length).split('/')[0]!)
    }
    return [...names].filter((name) => name !== '').sort()
  }
}

/** An absolute path without `.`, `..` and doubled slashes. */
export function resolvePath(folder: string, path: string): string {
  const parts: string[] = []
  for (const part of (path.startsWith('/') ? path : `${folder}/${path}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

function parent(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

/** The files of one container, in memory: image, mounted volumes, and what its commands write. Folders of its host are bound in. */
export type FileError = 'No such file or directory' | 'Is a directory' | 'Not a directory' | 'Read-only file system'

/** A folder that lies elsewhere; paths are relative to it, '' is itself. */
export interface BoundFolder {
  read(path: string): Buffer | FileError
  write(path: string, content: Buffer): FileError | undefined
  makeFolder(path: string): FileError | undefined
  remove(path: string): FileError | undefined
  list(path: string): string[]
  isFolder(path: string): boolean
  isFile(path: string): boolean
}

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
  readonly #bound = new Map<string, BoundFolder>()

  /** Puts a file from outside, with its folders. */
  put(path: string, content: Buffer | string): void {
    const clean = resolvePath('/', path)
    this.#files.set(clean, Buffer.from(content as string))
    this.#openFolders(parent(clean))
  }

  /** A volume: its folder exists even when it is empty. Files of before that are gone from it are removed. */
  mount(path: string, files: ReadonlyMap<string, Buffer>, readOnly: boolean): void {
    const folder = resolvePath('/', path)
    for (const known of this.#files.keys()) if (known.startsWith(`${folder}/`)) this.#files.delete(known)
    this.#files.delete(folder)
    this.#openFolders(folder)
    for (const [name, content] of files) this.put(`${folder}/${name}`, content)
    if (readOnly) this.#readOnly.add(folder)
  }

  /** A volume that is a folder of the host, seen through. */
  bind(path: string, folder: BoundFolder, readOnly: boolean): void {
    const clean = resolvePath('/', path)
    this.#openFolders(clean)
    this.#bound.set(clean, folder)
    if (readOnly) this.#readOnly.add(clean)
  }

  read(path: string): Buffer | FileError {
    const bound = this.#boundAt(path)
    if (bound) return bound.folder.read(bound.rest)
    const file = this.#files.get(path)
    if (file) return file
    return this.#folders.has(path) ? 'Is a directory' : 'No such file or directory'
  }

  write(path: string, content: Buffer, append: boolean): FileError | undefined {
    if (this.isFolder(path)) return 'Is a directory'
    if (!this.isFolder(parent(path))) return 'No such file or directory'
    if (this.#isReadOnly(path)) return 'Read-only file system'
    const before = append ? this.read(path) : Buffer.alloc(0)
    const whole = typeof before === 'string' ? content : Buffer.concat([before, content])
    const bound = this.#boundAt(path)
    if (bound) return bound.folder.write(bound.rest, whole)
    this.#files.set(path, whole)
    return undefined
  }

  makeFolder(path: string): FileError | undefined {
    if (this.isFile(path)) return 'Not a directory'
    if (!this.isFolder(parent(path))) return 'No such file or directory'
    if (this.#isReadOnly(path)) return 'Read-only file system'
    const bound = this.#boundAt(path)
    if (bound) return bound.folder.makeFolder(bound.rest)
    this.#folders.add(path)
    return undefined
  }

  /** A file, or a folder with all that is in it. */
  remove(path: string): FileError | undefined {
    if (!this.isFile(path) && !this.isFolder(path)) return 'No such file or directory'
    if (this.#isReadOnly(path)) return 'Read-only file system'
    const bound = this.#boundAt(path)
    if (bound) return bound.folder.remove(bound.rest)
    for (const each of [...this.#files.keys()]) {
      if (each === path || each.startsWith(`${path}/`)) this.#files.delete(each)
    }
    for (const each of [...this.#folders]) {
      if (each === path || each.startsWith(`${path}/`)) this.#folders.delete(each)
    }
    return undefined
  }

  isFolder(path: string): boolean {
    const bound = this.#boundAt(path)
    return bound ? bound.folder.isFolder(bound.rest) : this.#folders.has(path)
  }

  isFile(path: string): boolean {
    const bound = this.#boundAt(path)
    return bound ? bound.folder.isFile(bound.rest) : this.#files.has(path)
  }

  /** Names in a folder, sorted. */
  list(folder: string): string[] {
    const bound = this.#boundAt(folder)
    if (bound) return bound.folder.list(bound.rest)
    const prefix = folder === '/' ? '/' : `${folder}/`
    const names = new Set<string>()
    for (const path of [...this.#files.keys(), ...this.#folders]) {
      if (path.startsWith(prefix) && path !== folder) names.add(path.slice(prefix.length).split('/')[0]!)
    }
    return [...names].filter((name) => name !== '').sort()
  }

  #openFolders(folder: string): void {
    for (let each = folder; !this.#folders.has(each); each = parent(each)) this.#folders.add(each)
  }

  /** The innermost bound folder that a path lies in. */
  #boundAt(path: string): { folder: BoundFolder; rest: string } | undefined {
    if (this.#bound.size === 0) return undefined
    for (let at = path; ; at = parent(at)) {
      const folder = this.#bound.get(at)
      if (folder) return { folder, rest: path.slice(at === '/' ? 1 : at.length + 1) }
      if (at === '/') return undefined
    }
  }

  #isReadOnly(path: string): boolean {
    for (let folder = parent(path); folder !== '/'; folder = parent(folder)) if (this.#readOnly.has(folder)) return true
    return this.#readOnly.has(path)
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

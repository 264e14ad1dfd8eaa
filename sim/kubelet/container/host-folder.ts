/**
 * A folder of this node's host, as a hostPath volume shows it. A host is a folder of the run, never the machine: what a link
 * leads to outside of it is not there.
 */
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import type { BoundFolder, FileError } from './file-tree.ts'

const OWNER_ONLY = 0o600

export class HostFolder implements BoundFolder {
  readonly #root: string
  readonly #path: string

  /** `path` is the host's own name for it. */
  constructor(root: string, path: string) {
    this.#root = realpathSync(root)
    this.#path = path
  }

  read(path: string): Buffer | FileError {
    return this.#try(path, (real) => readFileSync(real))
  }

  write(path: string, content: Buffer): FileError | undefined {
    return this.#make(path, (real) => writeFileSync(real, content, { mode: OWNER_ONLY }))
  }

  makeFolder(path: string): FileError | undefined {
    return this.#make(path, (real) => mkdirSync(real, { recursive: true }))
  }

  remove(path: string): FileError | undefined {
    return this.#make(path, (real) => rmSync(real, { recursive: true }))
  }

  list(path: string): string[] {
    const names = this.#try(path, (real) => readdirSync(real))
    return typeof names === 'string' ? [] : names.sort()
  }

  isFolder(path: string): boolean {
    return this.#try(path, (real) => statSync(real).isDirectory()) === true
  }

  isFile(path: string): boolean {
    return this.#try(path, (real) => statSync(real).isFile()) === true
  }

  #try<T>(path: string, act: (real: string) => T): T | FileError {
    try {
      const real = realpathSync(join(this.#root, this.#path, path))
      return this.#isOwn(real) ? act(real) : 'No such file or directory'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EISDIR' ? 'Is a directory' : 'No such file or directory'
    }
  }

  /** As `#try`, of something that need not be there yet: its folder has to be. */
  #make(path: string, act: (real: string) => void): FileError | undefined {
    const whole = join(this.#root, this.#path, path)
    try {
      let real = join(realpathSync(dirname(whole)), basename(whole))
      try {
        real = realpathSync(whole)
      } catch {
        // it is new
      }
      if (!this.#isOwn(real) || real === this.#root) return 'Read-only file system'
      act(real)
      return undefined
    } catch {
      return 'No such file or directory'
    }
  }

  #isOwn(real: string): boolean {
    return real === this.#root || real.startsWith(this.#root + sep)
  }
}

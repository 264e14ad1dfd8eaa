/** Another member's db, kept aside until it takes the place of this one's (api/snap/db.go). */
import { open } from 'node:fs/promises'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { syncFolder } from './write-ahead-log.ts'

export class ReceivedDatabases {
  readonly #folder: string
  readonly #fsync: boolean

  constructor(folder: string, { fsync }: { fsync: boolean }) {
    this.#folder = folder
    this.#fsync = fsync
  }

  /** There under its name when it is whole, and on the disk. */
  async keep(index: number, database: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = join(this.#folder, `tmp${index}.${process.pid}`)
    const file = await open(temporary, 'w', 0o600)
    try {
      for await (const chunk of database) await file.writeFile(chunk)
      if (this.#fsync) await file.sync()
    } finally {
      await file.close()
    }
    renameSync(temporary, this.#path(index))
    if (this.#fsync) syncFolder(this.#folder)
  }

  has(index: number): boolean {
    return existsSync(this.#path(index))
  }

  moveTo(path: string, index: number): void {
    renameSync(this.#path(index), path)
    if (this.#fsync) syncFolder(this.#folder)
  }

  /** Those of before this entry, which nobody will take any more; `onFound` hears of each (api/snap, ReleaseSnapDBs). */
  release(index: number, onFound: (name: string) => void): void {
    for (const name of readdirSync(this.#folder)) {
      const [, hex] = /^([0-9a-f]{16})\.snap\.db$/.exec(name) ?? []
      if (hex === undefined || Number.parseInt(hex, 16) >= index) continue
      onFound(name)
      rmSync(join(this.#folder, name), { force: true })
    }
  }

  /** Named after the last entry that it holds. */
  #path(index: number): string {
    return join(this.#folder, `${index.toString(16).padStart(16, '0')}.snap.db`)
  }
}

/** The lock that bbolt takes on its file: no second member, and no tool, opens the db of a running one. */
import { spawnSync } from 'node:child_process'

/**
 * Waits for the lock, as etcd does. It belongs to the open file, so that it goes with the process, however that ends.
 * Node cannot ask for it itself: flock(1) does on the same open file. Where that program is missing there is no lock.
 */
export function lockFile(descriptor: number): void {
  spawnSync('flock', ['--exclusive', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
}

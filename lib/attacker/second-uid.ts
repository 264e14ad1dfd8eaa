/** Whether this process may act as another user: root may, unless its user namespace does not know the other one. */
import { readFileSync } from 'node:fs'

/** `user_namespaces(7)`: each line is the first uid inside, the first outside, and how many. */
export function mayBecome(uid: number, { isRoot = process.getuid?.() === 0, uidMap = ownUidMap() } = {}): boolean {
  if (!isRoot) return false
  const ranges = uidMap.trim().split('\n').filter(Boolean)
  if (ranges.length === 0) return true
  return ranges.some((range) => {
    const [first = 0, , count = 0] = range.trim().split(/\s+/).map(Number)
    return uid >= first && uid < first + count
  })
}

/** Empty where there are no such namespaces. */
function ownUidMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'utf8')
  } catch {
    return ''
  }
}

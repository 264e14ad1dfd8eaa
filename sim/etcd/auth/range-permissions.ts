/** Which keys a set of permissions covers (server/auth/range_perm_cache.go). Keys are latin1 text. */
import { Permission_Type, type Permission } from '../../../lib/etcd/auth_pb.ts'
import { endText } from '../mvcc/key-range.ts'
import { keyText } from '../mvcc/store.ts'

/** From `start` up to `end`, which is not in it; undefined is the end of all keys. */
interface Interval {
  start: string
  end: string | undefined
}

export class RangePermissions {
  readonly #read: Interval[]
  readonly #write: Interval[]

  constructor(permissions: readonly Permission[]) {
    const { READ, WRITE } = Permission_Type
    this.#read = merged(permissions.filter(({ permType }) => permType !== WRITE).map(intervalOf))
    this.#write = merged(permissions.filter(({ permType }) => permType !== READ).map(intervalOf))
  }

  mayRead(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    return covers(this.#read, intervalOf({ key, rangeEnd }))
  }

  mayWrite(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    return covers(this.#write, intervalOf({ key, rangeEnd }))
  }
}

/** Whether a range may be granted at all: not an empty one, nor one that runs backwards. */
export function isGrantable(key: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (key.length === 0) return false
  const { start, end } = intervalOf({ key, rangeEnd })
  return end === undefined || start < end
}

function intervalOf({ key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }): Interval {
  const [start, end] = [keyText(key), endText(rangeEnd)]
  if (end === undefined) return { start, end: `${start}\0` }
  return { start, end: end === '\0' ? undefined : end }
}

/** In order, with those that touch made one: a request may span several grants. */
function merged(intervals: Interval[]): Interval[] {
  const whole: Interval[] = []
  for (const { start, end } of intervals.sort((one, other) => (one.start < other.start ? -1 : 1))) {
    const last = whole.at(-1)
    if (!last || (last.end !== undefined && last.end < start)) whole.push({ start, end })
    else if (last.end !== undefined && (end === undefined || end > last.end)) last.end = end
  }
  return whole
}

function covers(granted: readonly Interval[], { start, end }: Interval): boolean {
  return granted.some(
    (each) => each.start <= start && (each.end === undefined || (end !== undefined && end <= each.end)),
  )
}

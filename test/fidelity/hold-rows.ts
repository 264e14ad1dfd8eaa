/** Puts recorded rows to a replay in their order, and holds every one of them. */
import type { Test } from 'tap'

export interface Difference {
  expected: string
  got: string
}

export interface HoldOptions<Row> {
  rows: readonly Row[]
  /** How many there are: a row that got lost is no agreement. */
  count: number
  /** Row id -> why ours differs. One that agrees has no place here. */
  exceptions: Readonly<Record<string, string>>
  /** What differs from the recording; undefined where nothing does. */
  replay: (row: Row) => Difference | undefined | Promise<Difference | undefined>
}

export async function holdRows<Row extends { id: string }>(t: Test, options: HoldOptions<Row>): Promise<void> {
  const { rows, count, exceptions, replay } = options
  let excepted = 0
  for (const row of rows) {
    const difference = await replay(row)
    if (exceptions[row.id] === undefined) {
      if (difference) t.equal(difference.got, difference.expected, row.id)
      continue
    }
    excepted++
    if (!difference) t.fail(`${row.id} agrees now: strike it from the exceptions`)
  }
  t.comment(`agree ${rows.length - excepted}, exceptions ${excepted}`)
  t.equal(rows.length, count, 'no row was left out')
}

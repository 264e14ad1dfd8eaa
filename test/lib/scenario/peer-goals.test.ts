/** How the range knows that an election was forced, and by whom. */
import t from 'tap'
import { electionsSince, forgedTerm } from '../../../lib/scenario/peer-goals.ts'

t.test('a term is of this run only where time and mark both are', (t) => {
  const now = 1_800_000_000.5
  const term = forgedTerm('mark', 1_800_000_000)
  const since = (raftTerm: number): number | undefined => electionsSince(raftTerm, 'mark', now)
  t.strictSame([since(term), since(term + 1), since(term + 49)], [0, 1, 49])
  t.strictSame([since(term - 1), since(term + 50)], [undefined, undefined])
  t.equal(since(forgedTerm('mark', 1_799_999_941)), 0, 'some time ago, in this act')
  t.equal(since(forgedTerm('mark', 1_799_990_000)), undefined, 'of hours before')
  t.equal(since(forgedTerm('mark', 1_800_000_002)), undefined, 'of the future')
  t.equal(since(forgedTerm('of another run', 1_800_000_000)), undefined)
  t.equal(since(3), undefined, 'as clusters come to by themselves')
  t.end()
})

/** How the range knows that an election was forced, and by whom; and what a taken stream is listened to for. */
import t from 'tap'
import type { World } from '../../../lib/attacker/world.ts'
import { electionsSince, forgedTerm, readAName } from '../../../lib/scenario/peer-goals.ts'

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

t.test('a stream is listened to until it tells a name that nobody wrote before', async (t) => {
  const key = (name: string): Buffer => Buffer.from(`\n/registry/roles/range/${name}\x12\x05value`)
  let acts = 0
  let next: (piece: Buffer) => void = () => {}
  const world: Partial<World> = {
    network: {
      hosts: {},
      apiserver: '',
      etcd: [],
      etcdPeers: ['http://127.0.0.1:2380'],
      own: { face: '', back: '', loop: '' },
    },
    request: async () => ({
      status: 200,
      headers: { 'x-etcd-cluster-id': 'abc' },
      body: '[{"id":12345678901234567890,"peerURLs":["http://127.0.0.1:2380"]}]',
    }),
    follow: (_url, { until }) =>
      new Promise((resolve) => {
        const pieces = [key('missed-before')]
        until?.(pieces[0]!)
        next = (piece) => {
          pieces.push(piece)
          if (until?.(piece)) resolve({ status: 200, pieces })
        }
      }),
    meanwhile: async () => {
      next(key('missed-before'))
      if (++acts === 3) next(key('new'))
    },
  }
  const loot = await readAName(world as World)
  t.equal(acts, 3)
  t.match(Buffer.concat(loot.map((piece) => Buffer.from(piece))).toString(), /missed-before.*\/new/s)
})

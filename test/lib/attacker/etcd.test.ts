/** What a thief's call to etcd came to: a verdict, or nothing that anybody said. */
import t from 'tap'
import { changed, patiently, refusedBy, type Changed } from '../../../lib/attacker/etcd.ts'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'

t.test(`etcd's word is a refusal only where it judged`, async (t) => {
  const remote = '127.20.1.1:2379'
  t.match(refusedBy(new GrpcError('InvalidArgument', 'etcdserver: request is too large'), remote), {
    layer: 'app',
    code: 'InvalidArgument',
    text: 'etcdserver: request is too large',
  })
  const failures: GrpcError[] = [
    new GrpcError('Unavailable', 'etcdserver: no leader'),
    new GrpcError('Unavailable', 'etcdserver: request timed out'),
    new GrpcError('DeadlineExceeded', 'context deadline exceeded'),
    new GrpcError('InvalidArgument', 'a proxy says so'),
  ]
  for (const failure of failures) t.equal(refusedBy(failure, remote).layer, undefined, failure.message)
})

t.test('a change of members is asked for again while etcd cannot take any', async (t) => {
  const answers: Changed[] = [{ refused: 'etcdserver: unhealthy cluster' }, { id: 7n }]
  t.equal(await patiently(async () => answers.shift()!), 7n)
  const refused = await changed(Promise.reject(new GrpcError('PermissionDenied', 'etcdserver: permission denied')))
  t.strictSame(refused, { refused: 'etcdserver: permission denied' })
  let asked = 0
  const ask = async (): Promise<Changed> => {
    asked += 1
    return refused
  }
  t.equal(await patiently(ask), undefined)
  t.equal(asked, 1)
})

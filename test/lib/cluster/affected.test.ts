/** What a change of posture reaches in a cluster that stands. */
import t from 'tap'
import { wantsNewStore } from '../../../lib/cluster/affected.ts'
import type { RenderedHost } from '../../../lib/posture/render-host.ts'

/** Hosts with one etcd each. */
function members(...args: string[][]): RenderedHost[] {
  return args.map((own, index) => {
    const launch = { component: 'etcd' as const, host: `etcd-${index}`, version: '3.6.0', environment: {}, source: '' }
    return { root: `/etcd-${index}`, ignored: [], files: new Map(), launches: [{ ...launch, args: own }] }
  })
}

t.test('when the data of etcd is of no use any more', async (t) => {
  const [a, b] = ['--initial-advertise-peer-urls=https://a:2380', '--initial-advertise-peer-urls=https://b:2380']
  const plain = a.replace('https', 'http')
  t.notOk(wantsNewStore(members([a], [b]), members([a, '--client-cert-auth'], [b])))
  t.ok(wantsNewStore(members([a], [b]), members([plain], [b])), 'members look for each other where they were')
  t.notOk(wantsNewStore(members([a]), members([plain])), 'one alone looks for nobody')
  t.ok(wantsNewStore(members([a]), members([a, '--quota-backend-bytes=1'])), 'what is there may be too much')
  t.ok(wantsNewStore(members([a, '--quota-backend-bytes=1']), members([a])))
})

/** What counts as evidence, and what does not. */
import t from 'tap'
import type { WitnessLine } from '../../../lib/cluster/witness.ts'
import { judge, type Trial } from '../../../lib/scenario/judge.ts'
import { asExpected, verdictOf, type Outcome } from '../../../lib/scenario/outcome.ts'
import type { LedgerEntry } from '../../../lib/wire/ledger.ts'

const FACE = '127.20.5.1'

function entry(facts: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    id: 1,
    from: 'attacker',
    to: 'control-plane-1',
    port: 6443,
    callerLocal: `${FACE}:40001`,
    faceRemote: '127.20.1.1:6443',
    wireLocal: `${FACE}:50001`,
    back: '127.20.1.2:6443',
    openedMs: 1,
    bytesToCallee: 1,
    bytesToCaller: 1,
    diverted: false,
    faulted: false,
    tapped: false,
    ...facts,
  }
}

function line(facts: Partial<WitnessLine> = {}): WitnessLine {
  return {
    time: '2026-01-01T00:00:00.000Z',
    sequence: 1,
    host: 'control-plane-1',
    component: 'kube-apiserver',
    about: 'request',
    decision: 'refuse',
    local: '127.20.1.2:6443',
    remote: `${FACE}:50001`,
    layer: '403-rbac',
    code: 'Forbidden',
    ...facts,
  }
}

function trial(facts: Partial<Trial> = {}): Trial {
  return {
    proof: undefined,
    served: undefined,
    observed: [{ local: `${FACE}:40001`, remote: '127.20.1.1:6443' }],
    timedOut: false,
    fault: undefined,
    ledger: [entry()],
    carried: new Set([`${FACE}:50001`]),
    witness: [],
    attackerFace: FACE,
    backs: new Set(['127.20.1.2', '127.20.2.2']),
    loops: new Set(['127.20.1.3']),
    componentAt: (host, port) => (host === 'control-plane-1' && port === 6443 ? 'kube-apiserver' : undefined),
    hostOf: (face) => (face === '127.20.1.1' ? 'control-plane-1' : undefined),
    canarySha256: 'abc123',
    tapped: undefined,
    ...facts,
  }
}

t.test('a refusal is whose word it is', async (t) => {
  t.match(judge(trial({ witness: [line()] })), {
    kind: 'stopped',
    by: 'kube-apiserver',
    layer: '403-rbac',
    code: 'Forbidden',
  })
  t.match(judge(trial({ observed: [{ remote: '127.20.1.1:6443', status: 401, reason: 'Unauthorized' }] })), {
    kind: 'stopped',
    by: 'kube-apiserver',
    layer: '401',
    code: 'Unauthorized',
  })
  const alert = { remote: '127.20.1.1:6443', layer: 'tls-alert' as const, code: 'unknown_ca', alert: 48 }
  t.match(judge(trial({ observed: [alert] })), { kind: 'stopped', layer: 'tls-alert', code: 'unknown_ca' })
  const noMore = { ...alert, layer: 'app' as const, code: 'InvalidArgument', text: 'etcdserver: request is too large' }
  t.match(judge(trial({ observed: [noMore] })), { kind: 'stopped', layer: 'app', code: 'InvalidArgument' })
  t.match(judge(trial({ observed: [{ layer: 'os', code: 'EACCES', text: '/etc/kubernetes/admin.conf' }] })), {
    kind: 'stopped',
    by: 'operating system',
    layer: 'os',
    code: 'EACCES',
  })
})

t.test('a failure is not a defence', async (t) => {
  const reset = { local: `${FACE}:40001`, remote: '127.20.1.1:6443', code: 'ECONNRESET', text: 'read ECONNRESET' }
  t.match(judge(trial({ observed: [reset] })), { kind: 'unclear', reason: /no evidence of a refusal/ })
  t.match(judge(trial({ observed: [] })), { kind: 'unclear' })
  t.match(judge(trial({ fault: 'TypeError: x is not a function\n at …' })), {
    kind: 'unclear',
    reason: /^crash: TypeError/,
  })
  t.match(judge(trial({ timedOut: true })), { kind: 'unclear', reason: /^hang/ })
})

t.test(
  'an attack that hangs while another client is refused is unclear: the refusal is not about its connection',
  async (t) => {
    const others = line({ remote: '127.0.0.1:33333' })
    const ledger = [
      entry(),
      entry({ id: 2, from: 'operator', callerLocal: '127.0.0.1:22222', wireLocal: '127.0.0.1:33333' }),
    ]
    t.match(judge(trial({ timedOut: true, observed: [], witness: [others], ledger })), {
      kind: 'unclear',
      reason: /^hang/,
    })
    const reset = { local: `${FACE}:40001`, remote: '127.20.1.1:6443', code: 'ECONNRESET' }
    t.match(judge(trial({ observed: [reset], witness: [others], ledger })), { kind: 'unclear' })
    t.match(judge(trial({ observed: [reset], witness: [others, line()], ledger })), { kind: 'stopped' })
  },
)

t.test('who was to be kept from an answer and has it is evidence; a refusal of the attacker says more', async (t) => {
  const served = { by: 'kube-apiserver', text: '200' }
  t.match(judge(trial({ observed: [], served })), {
    kind: 'stopped',
    by: 'kube-apiserver',
    layer: 'app',
    code: 'served',
  })
  t.match(judge(trial({ served, witness: [line()] })), { kind: 'stopped', layer: '403-rbac' })
  t.match(judge(trial({ served, fault: 'Error: x' })), { kind: 'unclear', reason: /^crash/ })
  t.match(judge(trial({ proof: 'nobody is served', observed: [] })), { kind: 'through' })
})

t.test('on a machine itself there is no wire between an attacker and who refuses it', async (t) => {
  const own = `${FACE}:40009`
  const refused = line({ component: 'kubectl', layer: 'app', local: '127.20.1.3:8001', remote: own })
  const seen = { local: own, remote: '127.20.1.3:8001', status: 403 }
  t.match(judge(trial({ observed: [seen], witness: [refused], ledger: [] })), {
    kind: 'stopped',
    by: 'kubectl',
    layer: 'app',
  })
  t.match(judge(trial({ observed: [{ ...seen, remote: '127.20.1.1:8001' }], witness: [refused], ledger: [] })), {
    kind: 'unclear',
  })
})

t.test('the other end of an alert speaks for itself', async (t) => {
  const log = line({
    about: 'certificate',
    layer: 'tls-alert',
    code: 'bad_certificate',
    text: 'remote error: tls: bad certificate',
  })
  t.match(judge(trial({ witness: [log], observed: [{ code: 'ECONNRESET' }] })), { kind: 'unclear' })
})

t.test('a connection that never went over the wire makes the row unclear, even with loot', async (t) => {
  const stray = line({ about: 'connection', decision: 'allow', remote: '127.0.0.1:41000' })
  const loop = line({ about: 'connection', decision: 'allow', remote: '127.20.1.3:41000' })
  t.match(judge(trial({ proof: 'the canary', witness: [stray] })), {
    kind: 'unclear',
    reason: /^off_the_wire: kube-apiserver/,
  })
  t.match(judge(trial({ proof: 'the canary', witness: [loop] })), { kind: 'through' })
})

t.test('who cannot read what the attacker left in the store says so by its key', async (t) => {
  const key = '/registry/secrets/range/mine'
  const word = line({
    about: 'decryption',
    layer: 'at-rest',
    code: 'InternalError',
    remote: '127.20.4.1:2379',
    request: key,
    text: 'no matching prefix found',
  })
  const wrote = [{ local: `${FACE}:40001`, remote: '127.20.4.1:2379', wrote: key }]
  t.match(judge(trial({ observed: wrote, witness: [word] })), {
    kind: 'stopped',
    by: 'kube-apiserver',
    layer: 'at-rest',
    code: 'InternalError',
    text: 'no matching prefix found',
  })
  t.equal(judge(trial({ witness: [word] })).kind, 'unclear', 'somebody else wrote it')
  const other = { ...word, request: `${key}-too` }
  t.equal(judge(trial({ observed: wrote, witness: [other] })).kind, 'unclear', 'another record')
  t.equal(judge(trial({ observed: wrote, witness: [{ ...word, decision: 'allow' }] })).kind, 'unclear', 'it was read')
})

t.test('network separation is the network speaking, and only if nothing got through', async (t) => {
  const cut = entry({ ended: 'refused: route' })
  const reset = { local: `${FACE}:40001`, remote: '127.20.1.1:6443', code: 'ECONNRESET' }
  t.match(judge(trial({ observed: [reset], ledger: [cut] })), {
    kind: 'stopped',
    by: 'network',
    layer: 'route',
    code: 'refused',
  })
  t.match(judge(trial({ observed: [reset], ledger: [cut, entry({ id: 2 })] })), { kind: 'unclear' })
})

t.test('a closed port is closed only on a host that answers and does not claim it', async (t) => {
  const refused = (port: number) => ({ remote: `127.20.1.1:${port}`, layer: 'tcp' as const, code: 'ECONNREFUSED' })
  t.match(judge(trial({ observed: [refused(8080)] })), {
    kind: 'stopped',
    by: 'control-plane-1',
    layer: 'tcp',
    code: 'ECONNREFUSED',
  })
  t.match(judge(trial({ observed: [refused(6443)] })), { kind: 'unclear' })
})

t.test('a tap was blind only if both ends saw the canary cross the tapped connection', async (t) => {
  const tapped = entry({
    from: 'worker-2',
    callerLocal: '127.20.4.1:45000',
    wireLocal: '127.20.4.1:46000',
    tapped: true,
  })
  const crossing = { about: 'stream' as const, decision: 'allow' as const, text: 'canary sha256:abc123' }
  const server = line({ ...crossing, remote: '127.20.4.1:46000' })
  const caller = line({ ...crossing, component: 'kubelet', local: '127.20.4.1:45000', remote: '127.20.1.1:6443' })
  const tap = (witness: WitnessLine[]): Outcome =>
    judge(trial({ tapped: { from: 'worker-2', to: 'control-plane-1' }, observed: [], ledger: [tapped], witness }))
  t.match(tap([server, caller]), { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'ciphertext' })
  t.match(tap([server]), { kind: 'unclear' })
  t.match(tap([caller]), { kind: 'unclear' })
  t.match(tap([server, { ...caller, text: 'canary sha256:other' }]), { kind: 'unclear' })
})

t.test('verdicts need a twin that went the other way', async (t) => {
  const through: Outcome = { kind: 'through', proof: 'x' }
  const stopped: Outcome = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' }
  const unclear: Outcome = { kind: 'unclear', reason: 'hang' }
  t.equal(verdictOf(stopped, through), 'held')
  t.equal(verdictOf(through, stopped), 'broken')
  t.equal(verdictOf(stopped, stopped), 'vacuous', 'every enforcement stubbed to deny: nothing is held')
  t.equal(verdictOf(through, through), 'vacuous', 'every enforcement stubbed to allow: nothing is held')
  t.equal(verdictOf(stopped, unclear), 'unclear')
  t.equal(verdictOf(unclear, through), 'unclear')
  t.equal(asExpected({ kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'unknown_ca' }, stopped), true)
  t.equal(asExpected({ kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'bad_certificate' }, stopped), false)
  t.equal(asExpected({ kind: 'through' }, stopped), false)
})

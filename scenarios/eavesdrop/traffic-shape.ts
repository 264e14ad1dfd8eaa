/**
 * administrator  ===TLS: names of different lengths===>  kube-apiserver
 *                   |
 *                  tap: sizes of records
 *
 * administrator  --exec-->  kube-apiserver  ===TLS: lines of different lengths===>  kubelet
 *                                              |
 *                                             tap: sizes of records
 *
 * Three more shapes are not shown. That heartbeats name etcd's leader is one guess in three, and nothing that a cluster can change
 * would make it wrong: no twin. The rhythm of keys in an exec says nothing on a loopback that is busy: times there are the machine's. And how
 * long a list comes out once gzip has found a guess of the attacker's in it hangs on Go's deflate, where ours is zlib's.
 */
import { streamsOf } from '../../lib/wire/plaintext.ts'
import { readTlsRecords, RECORD_TYPE } from '../../lib/wire/tls-records.ts'
import { tapOn } from '../../lib/scenario/footholds.ts'
import { scenario } from '../../lib/scenario/scenario.ts'

const [AS_IT_IS, PADDED] = ['as it is', 'padded']
const ROOM = 128
/** A terminal's line, its end and the channel's number: a WebSocket frame of more has a longer head (RFC 6455 section 5.2). */
const LINE_ROOM = 123

/** What a canary begins with: it says how much of a record is not the name. */
const KNOWN = 'canary-'.charCodeAt(0)

export default scenario({
  title: 'Ciphertext still has a shape',
  story: `An administrator asks for objects by name over TLS 1.3. A sniffer reads no name, but how long each is: the size of a record is the size
of what is in it, and a little. Here the lengths spell the canary; elsewhere they tell which Secret was fetched. What is typed into exec
is sent line by line (or key by key, with a terminal), and kube-apiserver passes each on as it comes: another TLS, the same lengths.`,
  refs: ['RFC 8446 section 5.4 and appendix E.3', 'RFC 7540 section 10.7'],
  attack: ['T1040', 'T1590'],
  variants: [
    {
      id: 'a',
      title: 'lengths of the names that are asked for',
      foothold: tapOn({ from: 'operator', to: 'control-plane-1' }),
      goal: { read: 'word', what: 'what the lengths spell' },
      target: AS_IT_IS,
      expect: {
        open: { notApplicable: 'there is more to read than shapes: the link is plain HTTP (tap-link)' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      // Kubernetes has no control for it: whoever cares pads what it sends.
      twin: { through: { target: PADDED } },
    },
    {
      id: 'b',
      title: 'lengths of the lines that are typed into exec, beyond kube-apiserver',
      foothold: tapOn({ from: 'control-plane-1', to: 'worker-2', port: 10250 }),
      goal: { read: 'stream', node: 'worker-2' },
      target: AS_IT_IS,
      expect: {
        open: { kind: 'through' },
        encrypted: { kind: 'through' },
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': { kind: 'through' },
      },
      twin: { through: { target: PADDED } },
    },
  ],
  async meanwhile(operator, { variant, canary, target, namespace, secret, pod }) {
    const lengths = [...Buffer.from(canary)]
    if (variant === 'b') {
      const lines = lengths.map((length) => `${'x'.repeat(target === PADDED ? LINE_ROOM : length)}\n`)
      await operator.exec({ namespace, pod, command: ['cat'], stdin: [...lines, `${canary}\n`] })
      return
    }
    const questions = lengths.map((length) => {
      return `/healthz?${'x'.repeat(length)}${target === PADDED ? '&'.repeat(ROOM - length) : ''}`
    })
    await operator.use({ tool: 'kubectl', path: '/healthz', before: questions })
    const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: secret, namespace }, data: { note: canary } }
    const path = `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`
    await operator.use({ tool: 'kubectl', path, body: JSON.stringify(note), canary })
  },
  async attempt(world) {
    await world.meanwhile()
    await world.capture()
    return streamsOf(world.heldPath('capture.pcapng')).map(({ toCallee }) => {
      const sealed = readTlsRecords(toCallee).records.filter(({ type }) => type === RECORD_TYPE.applicationData)
      // The first ones are the client's own part of the handshake: every start is tried.
      return sealed.map((_, start) => spelt(sealed.slice(start).map(({ body }) => body.length))).join('\n')
    })
  },
})

function spelt([first = 0, ...rest]: readonly number[]): string {
  const overhead = first - KNOWN
  return [first, ...rest].map((length) => String.fromCharCode(Math.max(0, length - overhead))).join('')
}

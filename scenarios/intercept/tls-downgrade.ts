/**
 * kubelet of worker-2  --ClientHello, TLS 1.3 taken out on the way-->  kube-apiserver
 *                      --the same bytes--------------------------->  port 8080 of kube-apiserver
 * a tool of yesterday  --TLS 1.3, then what it is left with------->  kube-apiserver
 */
import type { Loot, World } from '../../lib/attacker/world.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged } from '../../lib/scenario/scenario.ts'
import type { TlsPolicy } from '../../lib/tls/policy.ts'
import type { Fault } from '../../lib/wire/fault.ts'
import { rsaKey } from '../../lib/wire/leaked-secrets.ts'
import { openTls } from '../../lib/wire/tls-decrypt.ts'

const LINK = { from: 'worker-2', to: 'control-plane-1' }
const TLS_1_2 = 0x0303
const STRIP: Fault = { kind: 'tamper', direction: 'toCallee', edit: { act: 'strip-versions', above: TLS_1_2 } }
const REFUSED: Expectation = { kind: 'stopped', by: 'kubelet', layer: 'tls-alert', code: 'illegal_parameter' }

const TOOL_LINK = { from: 'operator', to: 'control-plane-1' }
const [DANCES, GIVES_UP] = ['a tool that tries again with less', 'a tool that gives up']

/** The port that kube-apiserver had until 1.20. */
const INSECURE_PORT = 8080

/** What a tool of yesterday falls back to: the client sends its secret to the server's very key. */
const STATIC_RSA: TlsPolicy = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'],
}

const SERVER_KEY = {
  'impostor.crt': { stolen: '/etc/kubernetes/pki/apiserver.crt', host: 'control-plane-1' },
  'impostor.key': { stolen: '/etc/kubernetes/pki/apiserver.key', host: 'control-plane-1' },
} as const

const NO_PORT: Expectation = { kind: 'stopped', by: 'control-plane-1', layer: 'tcp', code: 'ECONNREFUSED' }
const NO_SUCH_SUITE: Expectation = {
  kind: 'stopped',
  by: 'kube-apiserver',
  layer: 'tls-alert',
  code: 'handshake_failure',
}

export default scenario({
  title: 'Push the link down',
  story: `Somebody on the path edits the ClientHello so that it offers nothing above TLS 1.2. The server takes what it is offered and says so in
its random; the client, which did offer more, ends the handshake. Or he sends the link to a port that speaks no TLS, where there is one. Only
a client that tries again with less gives away what the handshake has kept.`,
  refs: [
    'RFC 8446 section 4.1.3 (downgrade sentinel)',
    'RFC 8446 section 4.4.4',
    'RFC 7507 section 1 (the fallback dance)',
    'crypto/tls handshake_client.go',
    'kube-apiserver --insecure-port (until 1.20), --tls-cipher-suites',
  ],
  attack: ['T1557', 'T1562.010'],
  variants: [
    {
      id: 'strip',
      title: 'supported_versions without TLS 1.3',
      foothold: onPathWith('nothing but the path', LINK, {}),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: REFUSED,
        kubeadm: REFUSED,
        hardened: REFUSED,
        // Nothing is left that both could speak.
        'zero-trust': { kind: 'stopped', by: 'kube-apiserver', layer: 'tls-alert', code: 'protocol_version' },
      },
      twin: {
        through: { restore: 'apiserver-tls' },
        stopped: { foothold: onPathWith('the path and apiserver.key', LINK, SERVER_KEY) },
      },
    },
    {
      id: 'plaintext-port',
      title: 'the link sent to a port without TLS',
      foothold: onPathWith('nothing but the path', LINK, {}),
      goal: { read: 'secret', node: 'worker-2' },
      expect: {
        open: { kind: 'through' },
        encrypted: NO_PORT,
        kubeadm: NO_PORT,
        hardened: NO_PORT,
        'zero-trust': NO_PORT,
      },
      twin: {
        through: { restore: 'apiserver-tls' },
        // With the key there is no need of such a port.
        stopped: { foothold: onPathWith('the path and apiserver.key', LINK, SERVER_KEY) },
      },
    },
    {
      id: 'fallback',
      title: 'a client that tries again with static RSA, and apiserver.key a month later',
      foothold: onPathWith('the path, and apiserver.key a month later', TOOL_LINK, SERVER_KEY),
      goal: { read: 'word', what: 'what the tool sent in the end' },
      target: DANCES,
      expect: {
        open: { notApplicable: 'there is nothing to push down: the link is plain HTTP (tap-link)' },
        encrypted: { kind: 'through' },
        kubeadm: NO_SUCH_SUITE,
        hardened: NO_SUCH_SUITE,
        'zero-trust': { notApplicable: 'TLS 1.3 alone: with less the tool reaches nobody (strip)' },
      },
      twin: { through: { target: GIVES_UP }, stopped: { weaken: 'forward-secrecy' } },
    },
  ],
  async meanwhile(operator, goal) {
    if (goal.variant === 'fallback') await sendNote(operator, goal)
    else await operator.makeKubeletTalk(goal)
  },
  async attempt(world, variant) {
    if (variant === 'fallback') return openedLater(world)
    const hasKey = await world.holds('impostor.key')
    const isRedirected = variant === 'plaintext-port' && !hasKey
    const impostor = await world.intercept({
      ...(hasKey ? { certificate: 'impostor' } : {}),
      relayTo: isRedirected
        ? `http://${new URL(world.network.apiserver).hostname}:${INSECURE_PORT}`
        : world.network.apiserver,
      ...(variant === 'strip' ? { faults: [STRIP] } : {}),
    })
    await world.meanwhile()
    await impostor.seen(['"kind":"TokenReview"', '"kind":"Secret"'])
    return impostor.loot()
  },
})

async function sendNote(operator: Operator, { target, namespace, secret, canary }: Staged): Promise<void> {
  const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: secret, namespace }, data: { note: canary } }
  const path = `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`
  const use = { tool: 'backup-tool', path, body: JSON.stringify(note) }
  try {
    await operator.use(use)
  } catch (error) {
    if (target === GIVES_UP) throw error
    await operator.use({ ...use, policy: STATIC_RSA })
  }
}

async function openedLater(world: World): Promise<Loot> {
  const stand = await world.intercept({ relayTo: world.network.apiserver, faults: [STRIP] })
  await world.meanwhile()
  const key = rsaKey(await world.held('impostor.key'))
  const opened = stand.recorded().map(({ toCallee, toCaller }) => {
    return openTls(toCallee, toCaller, { serverKeys: key === undefined ? [] : [key] })
  })
  return opened.flatMap((each) => (each === undefined ? [] : [each.toServer, each.toClient]))
}

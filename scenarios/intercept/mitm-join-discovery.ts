/**
 * kubeadm join  --TLS, nobody verified-->  attacker (a cluster-info of its own)
 */

import type { Operator } from '../../lib/cluster/operator.ts'
import { signClusterInfo } from '../../lib/cluster/join-discovery.ts'
import type { Holding } from '../../lib/attacker/foothold.ts'
import { onPathWith } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'

const LINK = { from: 'operator', to: 'control-plane-1' }
const TOKEN = '07401b.f395accd246ae52d'
const [PINNED, UNSAFE] = ['--discovery-token-ca-cert-hash', '--discovery-token-unsafe-skip-ca-verification']
const NO_TLS = { notApplicable: 'kubeadm joins over HTTPS only' }
const refused = (code: string): Expectation => ({ kind: 'stopped', by: 'kubeadm', layer: 'cert-verify', code })

/** The joining machine alone decides. */
const anywhere = (expected: Expectation): Variant['expect'] => ({
  open: NO_TLS,
  encrypted: expected,
  kubeadm: expected,
  hardened: expected,
  'zero-trust': expected,
})

const IMPOSTOR: Record<string, Holding> = {
  impostor: {
    minted: { signedBy: 'self', commonName: 'kube-apiserver', usages: ['serverAuth'], hosts: ['control-plane-1'] },
  },
}
const STRANGER = onPathWith('a stranger on the path', LINK, IMPOSTOR)
const TOLD = onPathWith('who was told a token once', LINK, { ...IMPOSTOR, token: { told: TOKEN } })

const joined = new WeakMap<Operator, string>()

const COMMON: Pick<Variant, 'goal'> = {
  goal: {
    write: `a machine that takes the attacker's cluster for its own`,
    placed: (operator: Operator, _staged: Staged, mark: string) =>
      Promise.resolve(joined.get(operator)?.includes(mark) ?? false),
  },
}

export default scenario({
  title: 'Poison the join',
  story: `A machine joins over a hostile segment. It fetches cluster-info from a server that it cannot verify yet; what vouches for it is a
signature made with the bootstrap token, and the hash of the CA if it was pinned. Whoever knows a token, as every machine that ever joined
with it does, can sign a cluster-info of his own: then only the pin is left.`,
  refs: [
    'kubeadm join --discovery-token-ca-cert-hash',
    'cmd/kubeadm/app/discovery/token',
    'KEP-130 (bootstrap checkpointing)',
  ],
  cis: ['3.1.3'],
  attack: ['T1557', 'T1528'],
  variants: [
    {
      id: 'a',
      title: 'no pin, by somebody who knows a token',
      foothold: TOLD,
      ...COMMON,
      target: UNSAFE,
      expect: anywhere({ kind: 'through' }),
      twin: { through: { foothold: STRANGER } },
    },
    {
      id: 'b',
      title: 'a pinned CA, by somebody who knows a token',
      foothold: TOLD,
      ...COMMON,
      target: PINNED,
      expect: anywhere(refused('ca_cert_hash')),
      twin: { stopped: { target: UNSAFE } },
    },
    {
      id: 'c',
      title: 'no pin, by a stranger: the signature holds by itself',
      foothold: STRANGER,
      ...COMMON,
      target: UNSAFE,
      expect: anywhere(refused('jws_signature')),
      twin: { stopped: { foothold: TOLD } },
    },
  ],
  async meanwhile(operator, { target }) {
    joined.delete(operator)
    const pin = target === PINNED ? { caCertHash: operator.caCertHash() } : {}
    joined.set(operator, await operator.join({ token: TOKEN, ...pin }))
  },
  async attempt(world) {
    const [id = '', secret = ''] = (await world.held('token').then(String, () => '07401b.0000000000000000')).split('.')
    const ca = (await world.held('impostor.crt')).toString('base64')
    const cluster = { server: world.network.apiserver, 'certificate-authority-data': ca }
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: world.mark, cluster }],
      contexts: [{ name: 'x', context: { cluster: world.mark, user: 'x' } }],
      users: [{ name: 'x', user: {} }],
      'current-context': 'x',
    })
    const data = { kubeconfig, [`jws-kubeconfig-${id}`]: signClusterInfo(kubeconfig, id, secret) }
    const impostor = await world.intercept({
      certificate: 'impostor',
      reply: () => ({ status: 200, body: JSON.stringify({ kind: 'ConfigMap', data }) }),
    })
    await world.meanwhile()
    return impostor.loot()
  },
})

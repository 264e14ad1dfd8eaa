/**
 * a certificate reported stolen  --TLS-->  kube-apiserver (knows no list), etcd (reads one, if it is given one)
 */
import { dirname } from 'node:path'
import type { MintedCertificate } from '../../lib/attacker/foothold.ts'
import { secretByApi, secretKey } from '../../lib/attacker/reach-goal.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import { NOTHING_STOLEN } from '../../lib/scenario/etcd-thief.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'
import { issue } from '../../lib/x509/issue.ts'
import { revocationList } from '../../lib/x509/odd.ts'
import { pemBlocks } from '../../lib/x509/pem.ts'

const ADMIN: MintedCertificate = {
  signedBy: 'ca',
  commonName: 'kubernetes-admin',
  organizations: ['system:masters'],
  usages: ['clientAuth'],
}
/** A machine that is no host of the range. */
const GIVEN_UP = 'worker-9'
const NODES = '/api/v1/nodes'
const KUBELET: MintedCertificate = {
  signedBy: 'ca',
  commonName: `system:node:${GIVEN_UP}`,
  organizations: ['system:nodes'],
  usages: ['clientAuth'],
}
const BACKUP: MintedCertificate = {
  signedBy: 'etcd-ca',
  commonName: 'etcd-backup',
  usages: ['clientAuth'],
  dnsNames: ['etcd-client.kubernetes.local'],
}
const LIST = '/etc/kubernetes/pki/etcd/clients.crl'
const NEIGHBOUR_UID = 64002
const HOUR_MS = 3_600_000

/** What the overdue list says of the certificate. */
const KNOWN = 'a list that names it'
const FORGOTTEN = 'a list that does not'

const NO_LIST = { notApplicable: 'etcd is given no list' }
const ONLY_LISTS = { open: NO_LIST, encrypted: NO_LIST, kubeadm: NO_LIST, hardened: NO_LIST }
const CLOSED: Expectation = { kind: 'stopped', by: 'etcd', layer: 'tls-alert', code: 'close_notify' }

/** A list of nobody, by a CA of the attacker's own that calls itself as the cluster's does. */
async function listOfAnotherCa(): Promise<Buffer> {
  const now = Date.now()
  const validity = { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + HOUR_MS) }
  const authority = await issue({ commonName: 'etcd-ca', isCa: true, ...validity })
  const list = await revocationList(authority, [], { thisUpdate: validity.notBefore, nextUpdate: validity.notAfter })
  return pemBlocks(list)[0]!.der
}

const ANYBODY = { notApplicable: 'everybody may do everything there: no certificate is needed' }
const AT_THE_API: Variant['expect'] = {
  open: ANYBODY,
  encrypted: ANYBODY,
  kubeadm: { kind: 'through' },
  hardened: { kind: 'through' },
  'zero-trust': { kind: 'through' },
}

export default scenario({
  title: 'Stolen, reported, still valid',
  story: `A key was stolen and reported, and its certificate is on the revocation list. kube-apiserver has no way to be given a list, nor
asks anybody: a certificate is good for as long as it says, and a kubelet's makes the Node anew that an administrator deleted. etcd reads a
list anew for each connection, compares serials alone, and asks neither who signed the list nor how old it is: whoever may write the file
takes names off it, and one that is overdue keeps nobody out whom it does not name.`,
  refs: [
    'etcd --client-crl-file, client/pkg/transport/listener_tls.go (checkCRL)',
    'Trail of Bits 2019: no certificate revocation (kubernetes/kubernetes#81111)',
  ],
  attack: ['T1649'],
  variants: [
    {
      id: 'apiserver',
      title: `an administrator's certificate, at kube-apiserver`,
      foothold: bearerOf('a revoked certificate', ADMIN),
      goal: { read: 'secret' },
      expect: AT_THE_API,
      // Its end is the only revocation there is.
      twin: { through: { foothold: bearerOf('the same, of yesterday', { ...ADMIN, valid: 'until-yesterday' }) } },
    },
    {
      id: 'node',
      title: `a kubelet's certificate, after its Node was deleted: it makes another`,
      foothold: bearerOf('a kubelet of a machine that was given up', KUBELET),
      goal: { write: 'the Node that was deleted', placed: isBack },
      expect: AT_THE_API,
      twin: { through: { foothold: bearerOf('the same, of yesterday', { ...KUBELET, valid: 'until-yesterday' }) } },
    },
    {
      id: 'etcd',
      title: `a backup job's certificate, at etcd`,
      foothold: bearerOf('a revoked certificate', BACKUP),
      goal: { erase: 'secret' },
      expect: {
        open: NOTHING_STOLEN,
        encrypted: NOTHING_STOLEN,
        kubeadm: { kind: 'through' },
        hardened: { kind: 'through' },
        'zero-trust': CLOSED,
      },
      twin: { through: { restore: 'etcd-client-crl-file' }, stopped: { weaken: 'etcd-client-crl-file' } },
    },
    {
      id: 'list-swapped',
      title: `etcd's list, which everybody may write, replaced by one of another CA`,
      foothold: {
        name: 'a user of etcd-1 with a revoked certificate',
        stands: { on: 'machine', host: 'etcd-1', uid: NEIGHBOUR_UID, writes: dirname(LIST) },
        holds: { credential: { minted: BACKUP } },
      },
      goal: { erase: 'secret' },
      premise: ['revocation-list-file-mode'],
      expect: { ...ONLY_LISTS, 'zero-trust': { kind: 'through' } },
      twin: { through: { restore: 'revocation-list-file-mode' } },
    },
    {
      id: 'list-overdue',
      title: `etcd's list of before the theft, whose successor was due yesterday`,
      foothold: bearerOf('a revoked certificate', BACKUP),
      goal: { erase: 'secret' },
      target: FORGOTTEN,
      expect: { ...ONLY_LISTS, 'zero-trust': { kind: 'through' } },
      twin: { through: { target: KNOWN } },
    },
  ],
  async prepare(operator, { variant, target }) {
    if (variant === 'node') await giveUp(operator)
    else if (variant !== 'list-overdue') await operator.revoke()
    else await operator.revoke({ isOverdue: true, ...(target === FORGOTTEN ? { names: 'nobody' } : {}) })
  },
  async attempt(world, variant) {
    if (variant === 'list-swapped' && !(await world.writeAsUser(LIST, await listOfAnotherCa()))) return []
    if (variant === 'apiserver') return secretByApi(world)
    if (variant === 'node') {
      await world.api({ path: NODES, body: node({ annotations: { note: world.mark } }) })
      return []
    }
    const etcd = await world.etcd(world.network.etcd[0] ?? '')
    await etcd.delete(secretKey(world.goal))
    return []
  },
})

function node(metadata: object): object {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: GIVEN_UP, ...metadata } }
}

/** An administrator takes a machine out of the cluster: `kubectl delete node` is all that there is to it. */
async function giveUp(operator: Operator): Promise<void> {
  await operator.create(NODES, node({}))
  await operator.delete(`${NODES}/${GIVEN_UP}`)
  operator.afterwards(() => operator.delete(`${NODES}/${GIVEN_UP}`))
}

async function isBack(operator: Operator, _: Staged, mark: string): Promise<boolean> {
  const found = await operator.find(`${NODES}/${GIVEN_UP}`)
  return found?.metadata.annotations?.['note'] === mark
}

/**
 * a certificate with an odd subject, truly signed by the cluster CA  --TLS-->  kube-apiserver
 */
import { secretByApi } from '../../lib/attacker/reach-goal.ts'
import { bearerOf } from '../../lib/scenario/footholds.ts'
import { scenario, type Change, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'

const THROUGH: Expectation = { kind: 'through' }
const NOT_ASKED = { notApplicable: 'nobody asks for a certificate' }
const FORBIDDEN: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '403-rbac', code: 'Forbidden' }
const UNAUTHORIZED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: '401', code: 'Unauthorized' }

type Subject = ReadonlyArray<Record<string, string[]>>

const shown = (name: string, subject: Subject) =>
  bearerOf(name, { signedBy: 'ca', commonName: '', subject, usages: ['clientAuth'] })

const MASTERS: Change = { foothold: shown('O=system:masters', [{ O: ['system:masters'] }, { CN: ['x'] }]) }
const NOBODY: Change = { foothold: shown('CN=x', [{ CN: ['x'] }]) }

/** Another's parser would see an administrator; Go's does not. */
function refused(id: string, title: string, subject: Subject, stopped = MASTERS, answer = FORBIDDEN): Variant {
  return {
    id,
    title,
    foothold: shown('odd', subject),
    goal: { read: 'secret' },
    expect: { open: NOT_ASKED, encrypted: NOT_ASKED, kubeadm: answer, hardened: answer, 'zero-trust': answer },
    twin: { stopped },
  }
}

/** Odd, and all the same an administrator by Go's reading. */
function taken(id: string, title: string, subject: Subject): Variant {
  return {
    id,
    title,
    foothold: shown('odd', subject),
    goal: { read: 'secret' },
    expect: { open: NOT_ASKED, encrypted: NOT_ASKED, kubeadm: THROUGH, hardened: THROUGH, 'zero-trust': THROUGH },
    twin: { through: NOBODY },
  }
}

const CONTROLLER = 'system:kube-controller-manager'

export default scenario({
  title: 'Two parsers, two names',
  story: `The CA signed what it was asked to. Who that is depends on who reads it: kube-apiserver takes the last CN for the user and every O
for a group, from the DER; whoever reads a printed subject can be talked into a group that is not there.`,
  refs: [
    'k8s.io/apiserver request/x509: CommonNameUserConversion',
    'crypto/x509/pkix Name.FillFromRDNSequence',
    'CVE-2021-44532, CVE-2021-44533',
  ],
  attack: ['T1649'],
  variants: [
    refused('slash', 'a CN that prints as a group, in OpenSSL’s old way', [{ CN: ['x/O=system:masters'] }]),
    refused('comma', 'a CN that prints as a group, in the way of RFC 4514', [{ CN: ['x,O=system:masters'] }]),
    refused('nul', 'a group that ends for whoever stops at a NUL', [{ O: ['system:masters\0x'] }, { CN: ['x'] }]),
    refused('first-cn', 'two CNs: the first is powerful, the last is nobody', [{ CN: [CONTROLLER] }, { CN: ['x'] }], {
      foothold: shown('the last is powerful', [{ CN: ['x'] }, { CN: [CONTROLLER] }]),
    }),
    refused(
      'no-cn',
      'a group without a name: nobody at all, and not even anonymous',
      [{ O: ['system:masters'] }],
      MASTERS,
      UNAUTHORIZED,
    ),
    taken('second-o', 'two Os: every one of them is a group', [
      { O: ['harmless'] },
      { O: ['system:masters'] },
      { CN: ['x'] },
    ]),
    taken('one-rdn', 'name and groups in one set', [{ CN: ['x'], O: ['harmless', 'system:masters'] }]),
  ],
  async attempt(world) {
    return secretByApi(world)
  },
})

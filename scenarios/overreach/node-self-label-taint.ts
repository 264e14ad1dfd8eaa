/**
 * worker-1's kubelet credential  --PATCH nodes/worker-1-->  kube-apiserver (its own object, but not every field of it)
 */
import { fallen } from '../../lib/scenario/footholds.ts'
import { scenario, type Expectation, type Variant } from '../../lib/scenario/scenario.ts'
import type { Goal } from '../../lib/scenario/goal.ts'

const REFUSED: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'admission', code: 'Forbidden' }
const THROUGH: Expectation = { kind: 'through' }

const PROTECTED = 'node-restriction.kubernetes.io/tier'
const UNPROTECTED = 'tier'

function labelled(label: string): Goal {
  return {
    write: `the label ${label} on worker-1`,
    placed: async (operator, _staged, mark) => {
      const { metadata } = await operator.get('/api/v1/nodes/worker-1')
      return (metadata.labels as Record<string, string> | undefined)?.[label] === valueOf(mark)
    },
  }
}

/** A label's value takes letters, digits, `-`, `_` and `.`, and ends with a letter or digit. */
function valueOf(mark: string): string {
  return `m-${Buffer.from(mark).toString('hex').slice(0, 32)}`
}

const VARIANT: Pick<Variant, 'foothold'> = { foothold: fallen('worker-1') }

export default scenario({
  title: 'Attract better prey',
  story: `A worker has fallen. It gives its own Node the labels by which sensitive Pods choose where to run. Only the labels of one
prefix are kept from it: isolation that selects by any other is decoration.`,
  refs: [
    'kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction',
    'plugin/pkg/admission/noderestriction/admission.go',
  ],
  cis: ['1.2.14'],
  attack: ['T1036'],
  variants: [
    {
      id: 'a',
      title: `the label ${PROTECTED}`,
      ...VARIANT,
      goal: labelled(PROTECTED),
      expect: { open: THROUGH, encrypted: THROUGH, kubeadm: REFUSED, hardened: REFUSED, 'zero-trust': REFUSED },
      twin: { through: { restore: ['apiserver-tls', 'node-restriction'] }, stopped: { weaken: 'node-restriction' } },
    },
    {
      id: 'b',
      title: `the label ${UNPROTECTED}, which no rule protects`,
      ...VARIANT,
      goal: labelled(UNPROTECTED),
      expect: {
        open: { notApplicable: 'everybody may label everything' },
        encrypted: { notApplicable: 'everybody may label everything' },
        kubeadm: THROUGH,
        hardened: THROUGH,
        'zero-trust': THROUGH,
      },
      twin: { through: { foothold: fallen('worker-2') } },
    },
  ],
  async attempt(world, variant) {
    const labels = { [variant === 'a' ? PROTECTED : UNPROTECTED]: valueOf(world.mark) }
    const reply = await world.api({
      method: 'PATCH',
      path: '/api/v1/nodes/worker-1',
      headers: { 'Content-Type': 'application/strategic-merge-patch+json' },
      body: { metadata: { labels } },
    })
    return [reply.body]
  },
})

/** What came of an act: the attacker's answer, what the wire and the components know of it, and the judge's word on both. */
import type { LinkName } from '../attacker/foothold.ts'
import type { Attempted } from '../attacker/attacker-process.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ATTACKER_HOST } from '../cluster/cluster.ts'
import type { View } from '../wire/ledger.ts'
import { judge, type Trial } from './judge.ts'
import type { Evidence, Outcome } from './outcome.ts'
import type { Staged, Variant } from './scenario.ts'
import { sha256 } from './stage.ts'

/** How long the witnesses may take to be heard after the attacker's answer: pipes, not work. */
const WITNESS_GRACE_MS = 400

export interface Acted {
  staged: Staged
  mark: string
  result: Attempted
  afterId: number
  heardBefore: number
  /** The link that the attacker hears. */
  tapped: LinkName | undefined
}

export async function conclude(cluster: Cluster, variant: Variant, acted: Acted): Promise<Outcome> {
  const { result, staged } = acted
  const { goal } = variant
  const served = 'deny' in goal ? await goal.asked(cluster.operator, staged) : undefined
  // Nobody is served by an act that hangs either, and that shows nothing.
  const denied = 'deny' in goal && served === undefined && !result.timedOut ? goal.deny : undefined
  const trial: Trial = {
    proof: denied ?? (await proofOf(cluster, variant, acted)),
    served,
    observed: result.observed,
    timedOut: result.timedOut,
    // Whoever is dead serves nobody, and no attack has shown that it was its doing.
    fault: result.fault ?? (denied === undefined ? undefined : cluster.firstDead(variant.ruins?.lastWords)),
    ...(await heard(cluster, acted)),
    attackerFace: cluster.plan.host(ATTACKER_HOST).face,
    backs: cluster.backs,
    loops: cluster.loops,
    componentAt: (host, port) => cluster.componentAt(host, port),
    hostOf: (face) => cluster.plan.hostAt(face)?.name,
    canarySha256: sha256(staged.canary),
    tapped: acted.tapped,
  }
  // The refusal's witness travels by another pipe than the answer: ask again while nothing speaks.
  let outcome = judge(trial)
  for (let waited = 0; outcome.kind === 'unclear' && waited < WITNESS_GRACE_MS; waited += 20) {
    if (trial.fault !== undefined || trial.timedOut) break
    await cluster.heardMore(20)
    Object.assign(trial, await heard(cluster, acted))
    outcome = judge(trial)
  }
  return { ...outcome, evidence: evidenceOf(trial, outcome) }
}

/**
 * What was witnessed since the attempt began, and what the wire knows: connections since then, older ones that a tap still
 * hears, and which of those that a component witnessed it carried. In a long run it has carried thousands by then.
 */
async function heard(cluster: Cluster, acted: Acted): Promise<Pick<Trial, 'witness' | 'ledger' | 'carried'>> {
  const { afterId, heardBefore, tapped } = acted
  const witness = cluster.witnessed.slice(heardBefore)
  const views = witness.flatMap(({ about, local, remote }): View[] =>
    about === 'connection' && local !== undefined && remote !== undefined ? [{ by: 'component', local, remote }] : [],
  )
  const [recent, onLink, found] = await Promise.all([
    cluster.wire.ledger({ afterId }),
    tapped ? cluster.wire.ledger(tapped) : [],
    cluster.wire.find(views),
  ])
  return {
    witness,
    ledger: [...onLink.filter(({ id }) => id <= afterId), ...recent],
    carried: new Set(found.flatMap((entry) => entry?.wireLocal ?? [])),
  }
}

async function proofOf(
  cluster: Cluster,
  variant: Variant,
  { staged, mark, result }: Acted,
): Promise<string | undefined> {
  if ('write' in variant.goal) {
    const placed = await variant.goal.placed(cluster.operator, staged, mark)
    return placed ? variant.goal.write : undefined
  }
  if ('erase' in variant.goal) {
    const { namespace, secret, pod } = staged
    const [what, name] = variant.goal.erase === 'pod' ? ['Pod', `pods/${pod}`] : ['Secret', `secrets/${secret}`]
    const found = await cluster.operator.find(`/api/v1/namespaces/${namespace}/${name}`)
    // A Pod is given time to end; from then on its end is settled.
    return found && !found.metadata.deletionTimestamp ? undefined : `the ${what} is gone`
  }
  if ('deny' in variant.goal) return undefined
  const loot = result.loot.map((piece) => Buffer.from(piece, 'base64'))
  if ('show' in variant.goal)
    return (await variant.goal.shown(cluster.operator, loot, mark)) ? variant.goal.show : undefined
  if (variant.goal.read === 'fact') {
    const fact = await variant.goal.known(cluster.operator)
    return fact !== undefined && loot.some((piece) => piece.includes(fact)) ? variant.goal.what : undefined
  }
  const canary = Buffer.from(staged.canary)
  const base64 = Buffer.from(canary.toString('base64'))
  if (!loot.some((piece) => piece.includes(canary) || piece.includes(base64))) return undefined
  if (variant.goal.read === 'word') return variant.goal.what
  return variant.goal.read === 'secret'
    ? `the Secret's value`
    : variant.goal.read === 'pod'
      ? `the Pod's annotation`
      : 'what was typed'
}

function evidenceOf(trial: Trial, outcome: Outcome): Evidence {
  const mine = trial.ledger.filter(
    (entry) =>
      entry.from === ATTACKER_HOST ||
      entry.tapped ||
      entry.diverted ||
      entry.faulted ||
      trial.observed.some((seen) => seen.local === entry.callerLocal),
  )
  const ends = new Set([
    ...mine.flatMap((entry) => [entry.wireLocal, entry.callerLocal]),
    ...trial.observed.flatMap(({ local }) => local ?? []),
  ])
  const joined = trial.witness.filter((line) => ends.has(line.remote) || ends.has(line.local))
  const telling = joined.filter(
    (line) =>
      line.decision === 'refuse' ||
      (outcome.kind === 'stopped' && outcome.layer === 'crypto' && line.about === 'stream'),
  )
  return {
    witness: telling.slice(-8),
    connections: mine.slice(-8),
    observed: trial.observed.slice(-8),
    canarySha256: trial.canarySha256,
  }
}

/**
 * Turns what was seen into an outcome. Pure: it is given the attacker's loot and observations, the wire's ledger and the
 * components' witness lines, and asks nobody. What it cannot prove is `unclear`.
 */
import { createHash } from 'node:crypto'
import type { Observation } from '../attacker/world.ts'
import type { WitnessLine } from '../cluster/witness.ts'
import type { LinkName } from '../attacker/foothold.ts'
import type { Layer } from '../tls/layer.ts'
import { matchesLink } from '../wire/link.ts'
import type { LedgerEntry } from '../wire/ledger.ts'
import type { Service } from './goal.ts'
import type { Outcome } from './outcome.ts'

export interface Trial {
  /** Whether the canary was found in the loot, or the mark in the cluster. */
  proof: string | undefined
  observed: readonly Observation[]
  timedOut: boolean
  fault: string | undefined
  /** Who served honest people all the same, where the attacker wanted them not to be. */
  served: Service | undefined
  /** Every connection of the attempt, as the wire's ledger holds it. */
  ledger: readonly LedgerEntry[]
  /** The wire's end of every connection it ever carried, as components see it: `ip:port`. */
  carried: ReadonlySet<string>
  /** Every witness line since the attempt began. */
  witness: readonly WitnessLine[]
  /** Where the attacker dials from. */
  attackerFace: string
  /** Addresses that only the wire or a host itself may dial: a component's own end of a connection it accepted. */
  backs: ReadonlySet<string>
  loops: ReadonlySet<string>
  /** Which component listens there, by `host` and port. */
  componentAt: (host: string, port: number) => string | undefined
  hostOf: (face: string) => string | undefined
  /** SHA-256 of the canary, to find both ends' word that it crossed a tapped link. */
  canarySha256: string
  /** The link that the attacker hears. */
  tapped: LinkName | undefined
}

/** The outcome of one attempt. Loot decides first, then the word of whoever refused. */
export function judge(trial: Trial): Outcome {
  const stray = offTheWire(trial)
  if (stray) return { kind: 'unclear', reason: `off_the_wire: ${stray}` }
  if (trial.fault !== undefined) return { kind: 'unclear', reason: `crash: ${firstLine(trial.fault)}` }
  if (trial.proof !== undefined) return { kind: 'through', proof: trial.proof }
  if (trial.timedOut) return { kind: 'unclear', reason: 'hang: the act did not come to an end' }
  return (
    stoppedByRoute(trial) ??
    stoppedByReader(trial) ??
    stoppedByWitness(trial) ??
    servedAllTheSame(trial) ??
    stoppedByAnswer(trial) ??
    stoppedByCipher(trial) ?? {
      kind: 'unclear',
      reason: `no evidence of a refusal (${describe(trial.observed.at(-1))})`,
    }
  )
}

/** A connection that a component accepted and the wire never carried, its own host's loop aside. */
function offTheWire(trial: Trial): string | undefined {
  const stray = trial.witness.find(
    (line) =>
      line.about === 'connection' &&
      line.local !== undefined &&
      line.remote !== undefined &&
      trial.backs.has(addressOf(line.local)) &&
      !trial.loops.has(addressOf(line.remote)) &&
      !trial.carried.has(line.remote),
  )
  return stray && `${stray.component} on ${stray.host} was dialled from ${stray.remote}`
}

/** Network separation: the wire itself let none of the attacker's connections through. */
function stoppedByRoute(trial: Trial): Outcome | undefined {
  const mine = trial.ledger.filter((entry) => isAttackers(entry, trial))
  if (mine.length === 0 || mine.some(({ ended }) => ended !== 'refused: route')) return undefined
  const { from, to, port } = mine.at(-1)!
  return { kind: 'stopped', by: 'network', layer: 'route', code: 'refused', text: `${from} -> ${to}:${port}` }
}

/** The last refusal that a component witnessed about a connection of this attempt. */
function stoppedByWitness(trial: Trial): Outcome | undefined {
  const mine = trial.ledger.filter((entry) => isAttackers(entry, trial))
  // What a host says to itself does not cross the wire: there the attacker's own end is what was accepted.
  const ownEnds = trial.observed.filter(({ remote }) => remote !== undefined && trial.loops.has(addressOf(remote)))
  const accepted = new Set([...mine.map((entry) => entry.wireLocal), ...ownEnds.map(({ local }) => local)])
  // A victim that dialled the attacker by mistake, or whose link was spoilt, speaks of its own end of that connection.
  const dialled = new Set(
    trial.ledger.filter((entry) => entry.diverted || entry.faulted).map((entry) => entry.callerLocal),
  )
  const line = trial.witness.findLast(
    (each) =>
      each.decision === 'refuse' &&
      // A server's log of the other end's alert is the other end's word.
      !each.text?.startsWith('remote error') &&
      each.layer !== undefined &&
      ((each.remote !== undefined && accepted.has(each.remote)) ||
        (each.local !== undefined && dialled.has(each.local))),
  )
  if (!line || !line.layer || !line.code) return undefined
  return {
    kind: 'stopped',
    by: line.component,
    layer: line.layer,
    code: line.code,
    ...(line.text ? { text: line.text } : {}),
  }
}

/** An answer that came is evidence as good as a refusal: who was to be kept from it has it. */
function servedAllTheSame({ served }: Trial): Outcome | undefined {
  return served && { kind: 'stopped', by: served.by, layer: 'app', code: 'served', text: served.text }
}

/** Whoever was to believe a record that the attacker left in the store could not read it: joined by the record's key. */
function stoppedByReader({ witness, observed }: Trial): Outcome | undefined {
  const written = new Set(observed.flatMap(({ wrote }) => wrote ?? []))
  const line = witness.findLast(
    ({ about, decision, request }) =>
      about === 'decryption' && decision === 'refuse' && request !== undefined && written.has(request),
  )
  if (!line?.layer || !line.code) return undefined
  const { component: by, layer, code, text } = line
  return { kind: 'stopped', by, layer, code, ...(text ? { text } : {}) }
}

function isAttackers(entry: LedgerEntry, trial: Trial): boolean {
  return (
    trial.observed.some((seen) => seen.local === entry.callerLocal) ||
    addressOf(entry.callerLocal) === trial.attackerFace
  )
}

/** What the attacker saw itself: an alert, a status with its reason, a closed port, the system's refusal, sealed bytes. */
function stoppedByAnswer(trial: Trial): Outcome | undefined {
  const seen = trial.observed.at(-1)
  if (!seen) return undefined
  const by = seen.remote === undefined ? undefined : componentBehind(seen.remote, trial)
  if (seen.layer === 'os' && seen.code) {
    return { kind: 'stopped', by: 'operating system', layer: 'os', code: seen.code, ...text(seen) }
  }
  if (seen.layer === 'at-rest' && seen.code) {
    return { kind: 'stopped', by: 'kube-apiserver', layer: 'at-rest', code: seen.code, ...text(seen) }
  }
  if ((seen.layer === 'tls-alert' || seen.layer === 'app') && seen.code && by) {
    return { kind: 'stopped', by, layer: seen.layer, code: seen.code, ...text(seen) }
  }
  if (seen.layer === 'tcp' && seen.code === 'ECONNREFUSED') return closedPort(seen, trial)
  const layer = layerOfStatus(seen)
  if (layer && by) return { kind: 'stopped', by, layer, code: seen.reason ?? codeOfStatus(seen), ...text(seen) }
  return undefined
}

/** A refused connection proves a closed port only if the host is alive and does not claim to listen there. */
function closedPort(seen: Observation, trial: Trial): Outcome | undefined {
  const at = endpointOf(seen.remote ?? '')
  const host = at && hostOfFace(at.address, trial)
  if (!at || !host || trial.componentAt(host, at.port) !== undefined) return undefined
  return { kind: 'stopped', by: host, layer: 'tcp', code: 'ECONNREFUSED', ...text(seen) }
}

/** Layer of an HTTP refusal by its own words, where no witness spoke (a real binary in a component's place). */
export function layerOfStatus(seen: Observation): Layer | undefined {
  if (seen.status === 401) return '401'
  if (seen.status !== 403) return undefined
  if (
    /no relationship found between node|can only (get|read|list)|cannot read .* only its own Node/.test(seen.text ?? '')
  ) {
    return '403-node'
  }
  return /cannot \S* ?(resource|get path|impersonate)|^Forbidden \(user=/.test(seen.text ?? '')
    ? '403-rbac'
    : 'admission'
}

/** Both ends say that the canary crossed a tapped connection, and the capture does not hold it in the clear. */
function stoppedByCipher(trial: Trial): Outcome | undefined {
  const { tapped } = trial
  if (!tapped) return undefined
  // A canary that is somebody's name is told as the identity.
  const crossed = trial.witness.filter(
    (line) =>
      (line.about === 'stream' && line.text?.includes(trial.canarySha256)) ||
      (line.identity !== undefined && sha256(line.identity) === trial.canarySha256),
  )
  for (const entry of trial.ledger.filter((each) => each.tapped && matchesLink(tapped, each))) {
    const caller = crossed.find((line) => line.local === entry.callerLocal)
    const server = crossed.find((line) => line.remote === entry.wireLocal)
    if (caller && server) {
      return {
        kind: 'stopped',
        by: server.component,
        layer: 'crypto',
        code: 'ciphertext',
        text: `${entry.from} -> ${entry.to}:${entry.port}`,
      }
    }
  }
  return undefined
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function componentBehind(remote: string, trial: Trial): string | undefined {
  const at = endpointOf(remote)
  const host = at && hostOfFace(at.address, trial)
  return at && host ? trial.componentAt(host, at.port) : undefined
}

function hostOfFace(address: string, trial: Trial): string | undefined {
  return trial.ledger.find((entry) => addressOf(entry.faceRemote) === address)?.to ?? trial.hostOf(address)
}

function codeOfStatus(seen: Observation): string {
  return seen.status === 401 ? 'Unauthorized' : 'Forbidden'
}

function text(seen: Observation): { text?: string } {
  return seen.text ? { text: seen.text } : {}
}

function describe(seen: Observation | undefined): string {
  if (!seen) return 'nothing was observed'
  return [seen.status, seen.code, seen.text].filter((each) => each !== undefined).join(' ')
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

function addressOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':'))
}

function endpointOf(endpoint: string): { address: string; port: number } | undefined {
  const port = Number(endpoint.slice(endpoint.lastIndexOf(':') + 1))
  return endpoint && port ? { address: addressOf(endpoint), port } : undefined
}

/**
 * Renewals and times to live, which the leader alone knows (server/etcdserver/v3_server.go, LeaseRenew, leaseTimeToLive):
 * answered from this member's clock where it leads, else asked of the leader over its peer port.
 */
import type { Door } from '../consensus/door.ts'
import type { LeaderLink } from '../consensus/leader-link.ts'
import { ERRORS } from '../errors.ts'
import { keyBytes } from '../mvcc/store.ts'
import type { PeerAnswer } from '../peer/peer-connection.ts'
import type { PlainAnswer } from '../peer/peer-handler.ts'
import type { LeaseClock } from './lease-clock.ts'
import {
  decodeRenewal,
  decodeRenewed,
  decodeTimeToLive,
  decodeTimeToLiveQuestion,
  encodeRenewal,
  encodeRenewed,
  encodeTimeToLive,
  encodeTimeToLiveQuestion,
  RENEW_PATH,
  TIME_TO_LIVE_PATH,
  type TimeToLive,
} from './lease-http.ts'
import type { Leases } from './leases.ts'

export interface LeaseKeeperParts {
  door: Pick<Door, 'status' | 'applied' | 'ensureLeadership'>
  clock: LeaseClock
  leases: Leases
  leader: Pick<LeaderLink, 'ask'>
}

const NOT_FOUND = Symbol('requested lease not found')
const NOT_PRIMARY = 'not a primary lessor'

export class LeaseKeeper {
  readonly #parts: LeaseKeeperParts

  constructor(parts: LeaseKeeperParts) {
    this.#parts = parts
  }

  /** The TTL it has again, undefined where there is no such lease. `permit` is asked before anything is done. */
  async renew(id: bigint, permit: () => Promise<void>): Promise<bigint | undefined> {
    const { door, clock, leader } = this.#parts
    if (clock.counts) {
      // A member that was paused may not know yet that others elected another.
      await door.ensureLeadership()
      await this.#caughtUp()
      await permit()
      if (clock.counts) return clock.renew(id)
    }
    await permit()
    const answer = await leader.ask({ path: RENEW_PATH, body: encodeRenewal(id), headers: PROTOBUF }, (reply) => {
      const renewed = readReply(reply, decodeRenewed)
      return typeof renewed !== 'object' || renewed.id === id ? renewed : undefined
    })
    return answer === NOT_FOUND ? undefined : answer.ttlSeconds
  }

  async timeToLive(id: bigint, keys: boolean): Promise<TimeToLive | undefined> {
    const { clock, leader } = this.#parts
    if (clock.counts) {
      await this.#caughtUp()
      const found = this.#look(id, keys)
      if (found && !clock.counts) throw ERRORS.leaderChanged()
      return found
    }
    const question = { path: TIME_TO_LIVE_PATH, body: encodeTimeToLiveQuestion(id, keys), headers: PROTOBUF }
    const answer = await leader.ask(question, (reply) => readReply(reply, decodeTimeToLive))
    return answer === NOT_FOUND ? undefined : answer
  }

  /** What another member asks. @throws Error where the real one falls over: its connection is closed. */
  async answer(method: string, path: string, body: Buffer): Promise<PlainAnswer> {
    if (method !== 'POST') return refused(405, 'Method Not Allowed')
    try {
      return path === RENEW_PATH ? await this.#answerRenewal(body) : await this.#answerTimeToLive(body)
    } catch (error) {
      if (error instanceof MissingQuestion) throw error
      return refused(400, 'error unmarshalling request')
    }
  }

  async #answerRenewal(body: Buffer): Promise<PlainAnswer> {
    const id = decodeRenewal(body)
    if (!(await this.#caughtUpFor())) return refused(408, TOO_LATE)
    const { clock } = this.#parts
    if (!clock.counts) return refused(400, NOT_PRIMARY)
    const ttlSeconds = clock.renew(id)
    return ttlSeconds === undefined ? refused(404, NOT_FOUND.description!) : answered(encodeRenewed(id, ttlSeconds))
  }

  async #answerTimeToLive(body: Buffer): Promise<PlainAnswer> {
    const question = decodeTimeToLiveQuestion(body)
    if (!(await this.#caughtUpFor())) return refused(408, TOO_LATE)
    if (!question) throw new MissingQuestion('runtime error: invalid memory address or nil pointer dereference')
    const { clock, leases } = this.#parts
    if (!leases.has(question.ID)) return refused(404, NOT_FOUND.description!)
    if (!clock.counts) return refused(500, NOT_PRIMARY)
    return answered(encodeTimeToLive(question.ID, this.#look(question.ID, question.keys)!))
  }

  /** All that is committed is applied: a lease that is not there by then does not exist. */
  #caughtUp(): Promise<void> {
    const { door } = this.#parts
    return door.applied(door.status.committedIndex)
  }

  async #caughtUpFor(): Promise<boolean> {
    return this.#caughtUp().then(
      () => true,
      () => false,
    )
  }

  #look(id: bigint, keys: boolean): TimeToLive | undefined {
    const { clock, leases } = this.#parts
    const lease = leases.get(id)
    if (!lease) return undefined
    const remainingMs = clock.remainingMs(id)
    return {
      remainingSeconds: Number.isFinite(remainingMs) ? BigInt(Math.trunc(remainingMs / 1000)) : 0n,
      grantedSeconds: lease.ttlSeconds,
      keys: keys ? [...lease.keys].sort().map(keyBytes) : [],
    }
  }
}

class MissingQuestion extends Error {}

const PROTOBUF = { 'Content-Type': 'application/protobuf' }
const TOO_LATE = 'waiting for node to catch up its applied index has timed out'

function readReply<T>({ status, body }: PeerAnswer, decode: (body: Buffer) => T): T | typeof NOT_FOUND | undefined {
  if (status === 404) return NOT_FOUND
  return status === 200 ? decode(body) : undefined
}

function answered(body: Buffer): PlainAnswer {
  return { status: 200, type: 'application/protobuf', body, namesCluster: false }
}

function refused(status: number, body: string): PlainAnswer {
  return { status, type: 'text/plain; charset=utf-8', body, namesCluster: false }
}

/**
 * A Raft group in a world that a seed decides: messages are dropped, late, twice and out of order, the network splits, members
 * crash, stop for a while and lose their disks, while an operator replaces them and clients read and write.
 */
import { CONF_CHANGE, ENTRY_TYPE } from '../../lib/etcd/raft-entry.ts'
import type { VoterChange } from '../../sim/etcd/raft/configuration.ts'
import type { Message, NodeId } from '../../sim/etcd/raft/message.ts'
import type { Ready } from '../../sim/etcd/raft/raft.ts'
import { EventQueue } from './event-queue.ts'
import { RaftMember, type RaftTuning } from './raft-member.ts'
import { RaftSafety } from './raft-safety.ts'
import { Random } from './random.ts'
import { registerProblem, type Operation } from './register-history.ts'

/** Ways to break the protocol on purpose, to see that the checks notice. */
export type Sabotage = 'forget-votes' | 'read-locally' | 'return-without-disk'

const REGISTERS = ['a', 'b', 'c']
const CLIENTS = 8
const TICK_MS = 10
const CLIENT_PATIENCE_MS = 600
/** A change of the membership that has not come through by then may be tried again. */
const CHANGE_PATIENCE_MS = 1000
const INITIAL = 'nothing'

interface Weather {
  drop: number
  duplicate: number
  late: number
  faults: number
}

interface Pending {
  member: RaftMember
  life: number
  done: (value: string) => void
}

export class RaftWorld {
  readonly safety = new RaftSafety()
  readonly histories = new Map<string, Operation[]>(REGISTERS.map((register) => [register, []]))
  readonly #random: Random
  readonly #events = new EventQueue()
  readonly #members: RaftMember[] = []
  readonly #tuning: RaftTuning
  readonly #sabotage: Sabotage | undefined
  /** Directed links that carry nothing: `1>2`. */
  readonly #cut = new Set<string>()
  readonly #writes = new Map<string, Pending>()
  readonly #reads = new Map<string, Pending & { register: string }>()
  readonly #underWay = new Map<RaftMember, Ready>()
  #weather: Weather = { drop: 0, duplicate: 0, late: 0, faults: 0 }
  #voters: Set<NodeId>
  #learners = new Set<NodeId>()
  #lastChangeAt = -Infinity
  #notedIndex = 0
  #nextMember: bigint
  #operations = 0
  #done = 0
  #isCalm = false

  constructor(seed: number, sabotage?: Sabotage) {
    const random = new Random(seed)
    this.#random = random
    this.#sabotage = sabotage
    this.#tuning = {
      preVote: random.chance(0.8),
      checkQuorum: random.chance(0.8),
      mostMessageBytes: random.pick([1, 40, 1000]),
      mostInflight: random.pick([1, 3, 64]),
    }
    const count = random.pick([3, 3, 5])
    const first = Array.from({ length: count }, (_, at) => BigInt(at + 1))
    this.#voters = new Set(first)
    this.#nextMember = BigInt(count + 1)
    for (const id of first) this.#join(id, first)
    for (let client = 0; client < CLIENTS; client++) this.#events.after(client * 7, () => this.#nextOperation())
    this.#changeWeather()
    this.#operate()
  }

  get operationsDone(): number {
    return this.#done
  }

  /** Runs so many events, then lets the storm pass and checks what is left. @throws Error for a broken promise. */
  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#events.step()
    for (const [register, history] of this.histories) {
      const problem = registerProblem(history, INITIAL)
      if (problem !== undefined) throw new Error(`linearizability: register ${register}: ${problem}`)
    }
    this.#checkRecovery()
  }

  /** With every fault gone the group must get on with its work. */
  #checkRecovery(): void {
    this.#isCalm = true
    this.#weather = { drop: 0, duplicate: 0, late: 0, faults: 0 }
    this.#cut.clear()
    for (const member of this.#members) {
      if (!member.isGone && !member.isUp) this.#restart(member)
      if (member.isPaused) this.#wake(member)
    }
    const [before, until] = [this.#done, this.#events.now + 60_000]
    while (this.#done < before + 10) {
      if (this.#events.now > until) throw new Error('liveness: nothing is done although every fault is gone')
      this.#events.step()
    }
  }

  #join(id: NodeId, voters: readonly NodeId[]): RaftMember {
    const member = new RaftMember(id, voters, { tuning: this.#tuning, random: this.#random, tell: () => {} })
    this.#members.push(member)
    this.#tick(member)
    return member
  }

  #tick(member: RaftMember): void {
    if (member.isGone) return
    if (member.isRunning) {
      member.raft.tick()
      this.#pump(member)
    }
    this.#events.after(TICK_MS - 2 + this.#random.below(5), () => this.#tick(member))
  }

  /** What etcd's raft loop does, with a disk that takes its time. */
  #pump(member: RaftMember): void {
    const { raft, life } = member
    this.safety.checkLeader(raft)
    if (member.isWriting || !member.isRunning || !raft.hasReady) return
    const ready = raft.ready()
    member.isWriting = true
    this.#underWay.set(member, ready)
    this.safety.checkEntries(raft, ready.entries)
    for (const message of ready.eager) this.#send(member, message)
    this.#events.after(ready.mustSync ? this.#random.below(8) : 0, () => {
      if (member.life !== life) return
      // A stopped process goes on here when it wakes.
      if (member.isPaused) return void member.resumed.push(() => this.#finish(member, ready))
      this.#finish(member, ready)
    })
  }

  #finish(member: RaftMember, ready: Ready): void {
    const { raft } = member
    this.#underWay.delete(member)
    member.write(ready)
    for (const message of ready.messages) this.#send(member, message)
    if (!this.#isCalm && this.#random.chance(0.006)) return this.#crash(member)
    this.safety.checkApplied(raft, ready.committed)
    const answered: (() => void)[] = []
    member.apply(
      ready,
      (operation) => {
        const pending = this.#writes.get(operation)
        if (pending?.member === member && pending.life === member.life) answered.push(() => pending.done(''))
      },
      (change, index) => this.#noteChange(change, index),
    )
    raft.advance(ready)
    member.isWriting = false
    for (const { index, context } of ready.reads) member.waitingReads.push({ index, context: context.toString() })
    for (const answer of answered) answer()
    this.#answerReads(member)
    if (this.#random.chance(0.02)) member.compact(this.#random.below(20))
    this.#pump(member)
  }

  #answerReads(member: RaftMember): void {
    member.waitingReads = member.waitingReads.filter(({ index, context }) => {
      if (index > member.appliedIndex) return true
      const read = this.#reads.get(context)
      if (read?.member === member && read.life === member.life)
        read.done(member.registers.get(read.register) ?? INITIAL)
      return false
    })
  }

  #send(from: RaftMember, message: Message): void {
    const to = this.#members.find(({ id }) => id === message.to)
    const random = this.#random
    const { drop, duplicate, late } = this.#weather
    const link = `${from.id}>${message.to}`
    const report = (arrived: boolean): void => {
      if (message.type === 'snapshot') this.#report(from, message, arrived)
      else if (!arrived && random.chance(0.3)) this.#report(from, message, false)
    }
    if (!to || to.isGone || this.#cut.has(link) || random.chance(drop)) return report(false)
    const delay = (): number => 1 + random.below(random.chance(late) ? 400 : 8)
    const deliver = (isFirst: boolean): void => {
      const isHere = to.isUp && !to.isGone && !this.#cut.has(link)
      if (isFirst) report(isHere)
      if (!isHere) return
      if (to.isPaused) to.inbox.push(message)
      else this.#take(to, message)
    }
    this.#events.after(delay(), () => deliver(true))
    // A proposal that comes twice is done twice, so a transport sends it once (rafthttp's streams are TCP).
    if (message.type !== 'propose' && random.chance(duplicate)) this.#events.after(delay(), () => deliver(false))
  }

  #report(from: RaftMember, { type, to }: Message, arrived: boolean): void {
    const { life } = from
    this.#events.after(2, () => {
      if (from.life !== life || !from.isRunning) return
      if (type === 'snapshot') from.raft.reportSnapshot(to, arrived)
      else from.raft.reportUnreachable(to)
      this.#pump(from)
    })
  }

  #take(member: RaftMember, message: Message): void {
    member.raft.step(message)
    this.#pump(member)
  }

  #nextOperation(): void {
    const random = this.#random
    const register = random.pick(REGISTERS)
    const member = random.pick(this.#members)
    const again = (): void => this.#events.after(random.below(15), () => this.#nextOperation())
    if (!member.isRunning || member.isGone) return again()
    const name = `op${this.#operations++}`
    const start = this.#events.now
    const isWrite = random.chance(0.5)
    const operation: Operation = {
      kind: isWrite ? 'write' : 'read',
      value: isWrite ? `${register}${name}` : '',
      start,
      end: Infinity,
    }
    let isOpen = true
    const close = (): void => {
      if (!isOpen) return
      isOpen = false
      this.#writes.delete(name)
      this.#reads.delete(name)
      again()
    }
    const done = (value: string): void => {
      if (!isOpen) return
      operation.end = this.#events.now
      if (!isWrite) operation.value = value
      this.#done++
      close()
    }
    const pending = { member, life: member.life, done }
    const history = this.histories.get(register)!
    if (isWrite) {
      this.#writes.set(name, pending)
      if (!member.raft.propose({ data: Buffer.from(`${name} ${register} ${operation.value}`) })) return close()
    } else if (this.#sabotage === 'read-locally') {
      history.push(operation)
      return done(member.registers.get(register) ?? INITIAL)
    } else {
      this.#reads.set(name, { ...pending, register })
      if (!member.raft.readIndex(Buffer.from(name))) return close()
    }
    history.push(operation)
    this.#events.after(CLIENT_PATIENCE_MS, close)
    this.#pump(member)
  }

  #changeWeather(): void {
    const random = this.#random
    if (!this.#isCalm) {
      const isStormy = random.chance(0.6)
      this.#weather = isStormy
        ? {
            drop: random.pick([0, 0.05, 0.2]),
            duplicate: random.pick([0, 0.1]),
            late: random.pick([0, 0.05]),
            faults: 1,
          }
        : { drop: 0, duplicate: 0, late: 0, faults: 0 }
      this.#cut.clear()
      if (isStormy && random.chance(0.7)) this.#cutLinks()
      if (isStormy) this.#strike()
    }
    this.#events.after(50 + random.below(700), () => this.#changeWeather())
  }

  /** In two halves, or here and there, or in one direction only. */
  #cutLinks(): void {
    const random = this.#random
    const share = random.pick([0, 0.2, 0.5])
    const bothWays = random.chance(0.5)
    const side = new Map(this.#members.map(({ id }) => [id, random.below(2)]))
    for (const { id: from } of this.#members) {
      for (const { id: to } of this.#members) {
        if (share === 0 ? side.get(from) === side.get(to) : !random.chance(share)) continue
        this.#cut.add(`${from}>${to}`)
        if (bothWays) this.#cut.add(`${to}>${from}`)
      }
    }
  }

  #strike(): void {
    const random = this.#random
    const member = random.pick(this.#members)
    if (member.isGone) return
    const kind = random.below(10)
    if (kind < 5) {
      if (member.isUp) this.#crash(member)
    } else if (kind < 8) {
      if (member.isRunning) this.#pause(member)
    } else if (this.#sabotage === 'return-without-disk') this.#returnEmpty(member)
    else if (this.#mayLose(member)) this.#lose(member)
  }

  #crash(member: RaftMember): void {
    member.crash(this.#underWay.get(member))
    this.#underWay.delete(member)
    const restart = this.#random.chance(0.3) ? 1 + this.#random.below(5) : 20 + this.#random.below(600)
    this.#events.after(restart, () => {
      if (!member.isUp && !member.isGone) this.#restart(member)
    })
  }

  #restart(member: RaftMember): void {
    if (this.#sabotage === 'forget-votes') member.forgetVote()
    member.restart()
    this.#pump(member)
  }

  #pause(member: RaftMember): void {
    const { life } = member
    member.isPaused = true
    this.#events.after(50 + this.#random.below(1200), () => {
      if (member.life === life && member.isPaused) this.#wake(member)
    })
  }

  #wake(member: RaftMember): void {
    member.isPaused = false
    for (const go of member.resumed.splice(0)) go()
    for (const message of member.inbox.splice(0)) if (member.isRunning) this.#take(member, message)
    this.#pump(member)
  }

  /** One disk at a time, while a majority keeps its own and no change of the membership is under way. */
  #mayLose({ id }: RaftMember): boolean {
    if (this.#events.now - this.#lastChangeAt < 2 * CHANGE_PATIENCE_MS) return false
    if (!this.#voters.has(id)) return true
    return this.#voters.size >= 3 && !this.#members.some(({ id, isGone }) => isGone && this.#voters.has(id))
  }

  #lose(member: RaftMember): void {
    this.#crash(member)
    member.isGone = true
  }

  /** The mistake that a lost disk invites: to come back under the old name. */
  #returnEmpty(member: RaftMember): void {
    this.#lose(member)
    const at = this.#members.indexOf(member)
    const fresh = new RaftMember(member.id, [...this.#voters], {
      tuning: this.#tuning,
      random: this.#random,
      tell: () => {},
    })
    this.#members[at] = fresh
    this.#tick(fresh)
  }

  /** The operator: takes lost members out, puts new ones in, makes learners voters, moves the leader. */
  #operate(): void {
    this.#events.after(100 + this.#random.below(400), () => this.#operate())
    const leader = this.#members.find(({ isRunning, isGone, raft }) => isRunning && !isGone && raft.role === 'leader')
    if (!leader) return
    const random = this.#random
    if (random.chance(0.15)) leader.raft.transferLeadership(random.pick([...this.#voters]))
    else if (this.#events.now - this.#lastChangeAt > CHANGE_PATIENCE_MS) {
      const change = this.#nextChange()
      if (!change) return
      this.#lastChangeAt = this.#events.now
      leader.raft.propose({ type: ENTRY_TYPE.confChange, data: Buffer.from(change) })
    }
    this.#pump(leader)
  }

  #nextChange(): string | undefined {
    const random = this.#random
    const lost = this.#members.find(({ id, isGone }) => isGone && (this.#voters.has(id) || this.#learners.has(id)))
    if (lost) return `removeNode ${lost.id}`
    const [learner] = this.#learners
    if (learner !== undefined) return random.chance(0.7) ? `addNode ${learner}` : undefined
    if (this.#voters.size < 3 || (this.#voters.size < 5 && random.chance(0.2))) {
      const unused = this.#members.find(({ id, isGone, isRemoved }) => !isGone && !isRemoved && !this.#voters.has(id))
      const member = unused ?? this.#join(this.#nextMember++, [])
      return `${random.pick(['addNode', 'addLearnerNode'])} ${member.id}`
    }
    if (this.#voters.size > 3 && random.chance(0.2)) return `removeNode ${random.pick([...this.#voters])}`
    return undefined
  }

  #noteChange({ type, nodeId }: VoterChange, index: number): void {
    // Members apply it one after the other, and again after a restart.
    if (index <= this.#notedIndex) return
    this.#notedIndex = index
    this.#voters.delete(nodeId)
    this.#learners.delete(nodeId)
    if (type === CONF_CHANGE.addNode) this.#voters.add(nodeId)
    else if (type === CONF_CHANGE.addLearnerNode) this.#learners.add(nodeId)
    const member = this.#members.find(({ id }) => id === nodeId)
    if (type !== CONF_CHANGE.removeNode || !member) return
    member.isRemoved = true
    // Its process ends a little later; until then it is a nuisance.
    this.#events.after(500, () => {
      member.isGone = true
      this.#members.splice(this.#members.indexOf(member), 1)
    })
  }
}

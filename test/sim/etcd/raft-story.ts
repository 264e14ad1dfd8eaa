/**
 * Situations of a Raft group as text, in the manner of etcd's datadriven tests: commands, `----`, and what came of them, up to an
 * empty line. `node dist/test/sim/etcd/raft-story.js FILE...` writes what comes of them now into the files, to be read before
 * it is believed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { ENTRY_TYPE, voters as votersOnly } from '../../../lib/etcd/raft-entry.ts'
import { parseChange } from '../../fuzz/raft-member.ts'
import { Configuration } from '../../../sim/etcd/raft/configuration.ts'
import type { Entry, HardState, Message, NodeId, Snapshot } from '../../../sim/etcd/raft/message.ts'
import { RaftLog, RaftPanic } from '../../../sim/etcd/raft/raft-log.ts'
import { Raft } from '../../../sim/etcd/raft/raft.ts'

interface Block {
  commands: string[]
  expected: string
}

/** Blocks with the comments before them, which are kept. */
export function storyBlocks(text: string): (Block | string)[] {
  return text
    .split('\n\n')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [commands, expected] = part.split(/\n?^----$\n?/m)
      if (expected === undefined) return part
      return { commands: commands!.split('\n').filter(Boolean), expected }
    })
}

interface Member {
  raft: Raft
  hardState: HardState
  entries: Entry[]
  snapshot: Snapshot
  applied: string[]
}

const ELECTION_TICKS = 10

/** One group, whose members write at once, and whose messages lie in the net until they are delivered. */
export class RaftStory {
  readonly #members = new Map<NodeId, Member>()
  readonly #down = new Set<NodeId>()
  readonly #cut = new Set<string>()
  #net: Message[] = []
  #out: string[] = []
  #options = { preVote: true, checkQuorum: true, mostMessageBytes: 1_000_000, mostInflight: 256 }

  /** What a block's commands bring about. */
  run({ commands }: Block): string {
    this.#out = []
    for (const command of commands) this.#do(command)
    return this.#out.join('\n') || 'nothing'
  }

  #do(line: string): void {
    const [command, first = '', ...rest] = line.split(' ')
    const id = /^\d+$/.test(first) ? BigInt(first) : 0n
    const member = this.#members.get(id)
    const after = (act: () => unknown): void => {
      if (!member) throw new Error(`no member ${first}: ${line}`)
      if (act() === false) this.#out.push('refused')
    }
    switch (command) {
      case 'nodes':
        return this.#create(Number(first), rest)
      case 'node':
        return this.#add(id, { index: 0, term: 0, confState: votersOnly(), data: Buffer.alloc(0) })
      case 'elect':
        return after(() => this.#elect(member!.raft))
      case 'campaign':
        return after(() => member!.raft.campaign())
      case 'tick':
        return after(() => {
          for (let n = 0; n < Number(rest[0] ?? 1); n++) member!.raft.tick()
        })
      case 'propose':
        return after(() => member!.raft.propose({ data: Buffer.from(rest.join(' ')) }))
      case 'conf':
        return after(() => member!.raft.propose({ type: ENTRY_TYPE.confChange, data: Buffer.from(rest.join(' ')) }))
      case 'read':
        return after(() => member!.raft.readIndex(Buffer.from(rest.join(' '))))
      case 'transfer':
        return after(() => member!.raft.transferLeadership(BigInt(rest[0]!)))
      case 'unreachable':
        return after(() => member!.raft.reportUnreachable(BigInt(rest[0]!)))
      case 'snapshot-sent':
        return after(() => member!.raft.reportSnapshot(BigInt(rest[0]!), rest[1] === 'yes'))
      case 'compact':
        return after(() => this.#compact(member!, Number(rest[0])))
      case 'crash':
        return after(() => this.#down.add(id))
      case 'restart':
        return after(() => this.#restart(id, member!))
      case 'ready':
        return after(() => this.#process(member!, false))
      case 'deliver':
        return this.#deliver(first, false)
      case 'drop':
        this.#net = this.#net.filter((message) => !isOn(message, first))
        return
      case 'cut':
        this.#cut.add(first)
        return
      case 'heal':
        this.#cut.clear()
        return
      case 'stabilize':
        return this.#stabilize(false)
      case 'trace':
        return this.#stabilize(true)
      case 'status':
        for (const [name, each] of this.#members) this.#out.push(statusOf(name, each, this.#down.has(name)))
        return
      case 'progress':
        return after(() => this.#progress(member!.raft))
      case 'log':
        return after(() => this.#out.push(listed(member!.raft.log.slice(member!.raft.log.firstIndex, Infinity))))
      default:
        throw new Error(`unknown command: ${line}`)
    }
  }

  /** `nodes 3 learners=1 pre-vote=no check-quorum=no bytes=10 inflight=2` */
  #create(count: number, words: readonly string[]): void {
    const word = (name: string): string | undefined => words.find((each) => each.startsWith(`${name}=`))?.split('=')[1]
    this.#options = {
      preVote: word('pre-vote') !== 'no',
      checkQuorum: word('check-quorum') !== 'no',
      mostMessageBytes: Number(word('bytes') ?? 1_000_000),
      mostInflight: Number(word('inflight') ?? 256),
    }
    const ids = Array.from({ length: count }, (_, at) => BigInt(at + 1))
    const learners = ids.slice(count - Number(word('learners') ?? 0))
    const voters = ids.filter((id) => !learners.includes(id))
    // Whoever joins later learns of the first members from this snapshot.
    const snapshot = { index: 1, term: 1, confState: { ...votersOnly(...voters), learners }, data: Buffer.alloc(0) }
    for (const id of ids) this.#add(id, snapshot)
    this.#out.push('ok')
  }

  /** An election without its story. */
  #elect(raft: Raft): void {
    const before = this.#out
    this.#out = []
    raft.campaign()
    this.#stabilize(false)
    this.#out = [...before, `${raft.id} is ${raft.role} of term ${raft.term}`]
  }

  #add(id: NodeId, snapshot: Snapshot): void {
    this.#down.delete(id)
    const { index, term } = snapshot
    const hardState = { term, vote: 0n, commit: index }
    const member: Omit<Member, 'raft'> = { hardState, entries: [], snapshot, applied: [] }
    this.#members.set(id, Object.assign(member, { raft: this.#start(id, member) }))
  }

  #restart(id: NodeId, member: Member): void {
    this.#down.delete(id)
    member.applied = member.snapshot.data.toString().split(' ').filter(Boolean)
    member.raft = this.#start(id, member)
  }

  #start(id: NodeId, member: Omit<Member, 'raft'>): Raft {
    const { snapshot, entries, hardState } = member
    const { index, term } = snapshot
    const committed = Math.max(hardState.commit, index)
    return new Raft({
      id,
      log: new RaftLog({ compacted: { index, term }, entries, committed, applied: index }),
      hardState: { ...hardState, commit: committed },
      configuration: new Configuration(snapshot.confState),
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      // Member n waits 10 + n ticks.
      random: (limit) => Number(id) % limit,
      ...this.#options,
      snapshot: () => (member.snapshot.index > 0 ? member.snapshot : undefined),
      tell: (line) => this.#out.push(line),
    })
  }

  #compact(member: Member, index: number): void {
    const { raft } = member
    const term = raft.log.termAt(index)
    if (term === undefined) throw new Error(`no entry ${index}`)
    const data = Buffer.from(member.applied.join(' '))
    member.snapshot = { index, term, confState: raft.confState, data }
    member.entries = member.entries.filter((entry) => entry.index > index)
    raft.log.compact(index)
  }

  #stabilize(traces: boolean): void {
    for (let round = 0; round < 100; round++) {
      const before = this.#net.length
      for (const [id, member] of this.#members) if (!this.#down.has(id)) while (this.#process(member, traces));
      if (before === 0 && this.#net.length === 0) return
      this.#deliver('', traces)
    }
    throw new Error('does not come to rest')
  }

  #process(member: Member, traces: boolean): boolean {
    const { raft } = member
    if (!raft.hasReady) return false
    const ready = raft.ready()
    if (ready.snapshot) {
      member.snapshot = ready.snapshot
      member.entries = []
      member.applied = ready.snapshot.data.toString().split(' ').filter(Boolean)
      this.#out.push(`${raft.id} restores a snapshot up to ${ready.snapshot.index}`)
    }
    const [first] = ready.entries
    if (first) member.entries.length = first.index - member.snapshot.index - 1
    member.entries.push(...ready.entries)
    if (ready.hardState) member.hardState = ready.hardState
    if (traces && ready.entries.length > 0) this.#out.push(`${raft.id} writes ${listed(ready.entries)}`)
    this.#net.push(...ready.eager, ...ready.messages)
    for (const entry of ready.committed) this.#apply(member, entry)
    for (const { index, context } of ready.reads)
      this.#out.push(`${raft.id} may read ${context.toString()} at ${index}`)
    raft.advance(ready)
    return true
  }

  #apply(member: Member, { type, index, data }: Entry): void {
    const text = data.toString()
    this.#out.push(`${member.raft.id} applies ${index} ${text || 'nothing'}`)
    if (text !== '') member.applied.push(text.replaceAll(' ', '-'))
    if (type !== ENTRY_TYPE.normal) member.raft.applyConfChange(parseChange(data))
  }

  #deliver(link: string, traces: boolean): void {
    const due = this.#net.filter((message) => isOn(message, link))
    this.#net = this.#net.filter((message) => !isOn(message, link))
    for (const message of due) {
      const isCut = [...this.#cut].some((cut) => isOn(message, cut))
      const to = this.#members.get(message.to)
      const isLost = isCut || !to || this.#down.has(message.to)
      if (traces) this.#out.push(`${textOf(message)}${isLost ? ' (lost)' : ''}`)
      if (!isLost) this.#step(to.raft, message)
    }
  }

  #step(raft: Raft, message: Message): void {
    try {
      if (!raft.step(message)) this.#out.push(`${raft.id} refuses`)
    } catch (error) {
      if (!(error instanceof RaftPanic)) throw error
      this.#out.push(`${raft.id} panics: ${error.message}`)
    }
  }

  #progress(raft: Raft): void {
    for (const id of this.#members.keys()) {
      const progress = raft.progressOf(id)
      if (progress) this.#out.push(`${id} ${progress.state} match=${progress.match} next=${progress.next}`)
    }
  }
}

/** Whether a message goes along `1>2`, from or to `1`, or anywhere. */
function isOn({ from, to }: Message, link: string): boolean {
  if (link === '') return true
  const [one, other] = link.split('>')
  return other === undefined ? `${from}` === one || `${to}` === one : `${from}` === one && `${to}` === other
}

function listed(entries: readonly Entry[]): string {
  return `[${entries.map(({ index, term, data }) => `${index}/${term} ${data.toString() || '-'}`).join(', ')}]`
}

function textOf(message: Message): string {
  const { type, from, to, term, index, logTerm, entries, commit, reject, rejectHint, snapshot, context } = message
  const words = [`${from}>${to} ${type}`, `term=${term}`]
  if (index > 0 || logTerm > 0) words.push(`at=${index}/${logTerm}`)
  if (entries.length > 0) words.push(listed(entries))
  if (commit > 0) words.push(`commit=${commit}`)
  if (snapshot) words.push(`snapshot=${snapshot.index}/${snapshot.term}`)
  if (reject) words.push(rejectHint > 0 ? `refused hint=${rejectHint}` : 'refused')
  if (context.length > 0) words.push(`context=${context.toString()}`)
  return words.join(' ')
}

function statusOf(id: NodeId, { raft }: Member, isDown: boolean): string {
  if (isDown) return `${id} down`
  const { role, term, leader, log, confState } = raft
  const learners = confState.learners.length > 0 ? ` learners=${confState.learners.join()}` : ''
  return `${id} ${role} term=${term} leader=${leader} last=${log.lastIndex}/${log.lastTerm} commit=${log.committed} voters=${confState.voters.join()}${learners}`
}

function rewrite(file: string): void {
  const story = new RaftStory()
  const parts = storyBlocks(readFileSync(file, 'utf8')).map((block) =>
    typeof block === 'string' ? block : `${block.commands.join('\n')}\n----\n${story.run(block)}`,
  )
  writeFileSync(file, `${parts.join('\n\n')}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  for (const file of process.argv.slice(2)) rewrite(file)

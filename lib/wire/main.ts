/** The wire's process: carries what the range tells it to, and lives no longer than the range's end of the channel. */
import { Socket } from 'node:net'
import { Carrier } from './carrier.ts'
import { CONTROL_FD, lines, parseQuestion, type Answer, type Commands, type Question } from './messages.ts'
import { errorCode } from './wire-error.ts'

const descriptor = Number(process.env[CONTROL_FD] ?? Number.NaN)
if (!Number.isInteger(descriptor)) {
  process.stderr.write(`[wire_control] wire: ${CONTROL_FD} names no descriptor (the range starts this process)\n`)
  process.exit(2)
}

const carrier = new Carrier()
const channel = new Socket({ fd: descriptor, readable: true, writable: true })
channel.setEncoding('utf8')
channel.on(
  'data',
  lines((line) => void answer(parseQuestion(line))),
)
channel.on('error', () => process.exit(0))
channel.on('close', () => process.exit(0))
// Ctrl-C reaches the whole group; the range still needs its network to stop in order.
process.on('SIGINT', () => {})

async function answer(question: Question): Promise<void> {
  let reply: Answer
  try {
    reply = { id: question.id, answer: (await carryOut(question)) ?? null }
  } catch (error) {
    const code = errorCode(error) ?? 'wire_fault'
    const message = error instanceof Error ? error.message : String(error)
    // The other end puts the code in front again.
    reply = { id: question.id, error: { code, message: message.replace(`[${code}] `, '') } }
  }
  channel.write(`${JSON.stringify(reply)}\n`)
}

/** A component may have told of a connection that this turn of the event loop is only about to learn of. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function carryOut(question: Question): Promise<Commands[Question['name']]['answer'] | void> {
  switch (question.name) {
    case 'hosts':
      return carrier.addHosts(question.ask.hosts)
    case 'open':
      return carrier.open(question.ask.host, question.ask.port)
    case 'close':
      return carrier.close(question.ask.host, question.ask.port)
    case 'allow':
      return carrier.allow(question.ask.rules ?? undefined)
    case 'tap':
      return carrier.tap(question.ask.filter, question.ask.file, question.ask.options)
    case 'untap':
      return carrier.untap(question.ask.handle)
    case 'divert':
      return carrier.divert(question.ask.filter, question.ask.target)
    case 'undivert':
      return carrier.undivert(question.ask.filter)
    case 'fault':
      return carrier.fault(question.ask.filter, question.ask.faults)
    case 'mend':
      return carrier.mend(question.ask.filter)
    case 'cut':
      return carrier.cut(question.ask.filter)
    case 'lastId':
      await nextTurn()
      return carrier.ledger.lastId
    case 'ledger':
      await nextTurn()
      return carrier.ledger.settled(question.ask.query, question.ask.settleWithinMs ?? 0)
    case 'find':
      await nextTurn()
      return question.ask.views.map((view) => carrier.ledger.find(view) ?? null)
  }
}

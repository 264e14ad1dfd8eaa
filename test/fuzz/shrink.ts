import { decodeAll, descendants, encode } from './der-tree.ts'
import type { Question } from './x509-answer.ts'

/** How often a smaller question may be put to Go before the shrinking ends. */
const MAX_ATTEMPTS = 2_000

/** The smallest question found on which the two still differ. `differs` asks both. */
export async function shrink(question: Question, differs: (smaller: Question) => Promise<boolean>): Promise<Question> {
  let smallest = question
  let attempts = 0
  for (let progress = true; progress && attempts < MAX_ATTEMPTS;) {
    progress = false
    for (const smaller of smallerQuestions(smallest)) {
      if (++attempts > MAX_ATTEMPTS) break
      if (await differs(smaller)) {
        smallest = smaller
        progress = true
        break
      }
    }
  }
  return smallest
}

function* smallerQuestions(question: Question): Generator<Question> {
  for (const field of ['hosts', 'roots', 'chain'] as const) {
    const list = question[field] ?? []
    for (let i = field === 'chain' ? 1 : 0; i < list.length; i++) yield { ...question, [field]: list.toSpliced(i, 1) }
  }
  for (const field of ['chain', 'roots'] as const) {
    const list = question[field] ?? []
    for (const [i, der] of list.entries()) {
      for (const smaller of smallerElements(der)) yield { ...question, [field]: list.with(i, smaller) }
    }
  }
  if (question.crl !== undefined) for (const crl of smallerElements(question.crl)) yield { ...question, crl }
  if (question.pem !== undefined) for (const pem of shorterTexts(question.pem)) yield { ...question, pem }
}

/** Each element left out, and each one's content emptied or cut. */
function* smallerElements(base64: string): Generator<string> {
  const der = Buffer.from(base64, 'base64')
  const count = descendants(decodeAll(der) ?? []).length
  for (let i = 0; i < count; i++) {
    for (const how of ['drop', 'cut'] as const) {
      const tree = decodeAll(der) ?? []
      const place = descendants(tree)[i]
      if (place === undefined) continue
      const { node, siblings } = place
      if (how === 'drop') siblings.splice(siblings.indexOf(node), 1)
      else if (Buffer.isBuffer(node.content) && node.content.length > 0) node.content = node.content.subarray(0, -1)
      else continue
      const smaller = Buffer.concat(tree.map(encode)).toString('base64')
      if (smaller.length <= base64.length && smaller !== base64) yield smaller
    }
  }
}

function* shorterTexts(base64: string): Generator<string> {
  const bytes = Buffer.from(base64, 'base64')
  for (let length = bytes.length >> 1; length > 0; length >>= 1) {
    for (let start = 0; start + length <= bytes.length; start += length) {
      yield Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + length)]).toString('base64')
    }
  }
}

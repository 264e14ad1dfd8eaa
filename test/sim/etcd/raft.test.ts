/** Raft: one situation each as a story, and a group in a world full of faults. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { fuzzRaft } from '../../fuzz/raft.ts'
import { registerProblem, type Operation } from '../../fuzz/register-history.ts'
import { RaftStory, storyBlocks } from './raft-story.ts'

const STORIES = join(packageRoot(), 'test/sim/etcd/raft')

t.test('stories', async (t) => {
  const files = readdirSync(STORIES).filter((file) => file.endsWith('.txt'))
  t.ok(files.length >= 19, 'all the stories are there')
  for (const file of files) {
    const story = new RaftStory()
    for (const block of storyBlocks(readFileSync(join(STORIES, file), 'utf8'))) {
      if (typeof block === 'string') continue
      t.equal(story.run(block), block.expected, `${file}: ${block.commands.join('; ')}`)
    }
  }
})

t.test('a group keeps its promises through 100,000 steps of faults', async (t) => {
  const { failure, ...tally } = fuzzRaft({ steps: 100_000, seed: 1, world: 20_000 })
  t.equal(failure?.text, undefined, `seed ${failure?.seed}`)
  t.comment(JSON.stringify(tally))
  // A world in which nothing happens keeps every promise.
  t.ok(tally.operations > 1500 && tally.leaders > 50 && tally.committed > 1000, JSON.stringify(tally))
})

t.test('the checks notice when the protocol is broken on purpose', async (t) => {
  const stale = fuzzRaft({ steps: 40_000, seed: 1, world: 20_000, sabotage: 'read-locally' })
  t.match(stale.failure?.text, /^Error: linearizability: register [abc]: no order explains /)
  const amnesia = fuzzRaft({ steps: 400_000, seed: 1, world: 20_000, sabotage: 'return-without-disk' })
  t.match(
    amnesia.failure?.text,
    /^Error: (tocommit\(\d+\) is out of range|leader completeness|state machine safety|election safety|entry \d+ conflict)/,
  )
})

t.test('a register history is linearizable or not', async (t) => {
  const write = (value: string, start: number, end: number): Operation => ({ kind: 'write', value, start, end })
  const read = (value: string, start: number, end: number): Operation => ({ kind: 'read', value, start, end })
  const verdicts: [what: string, history: Operation[], problem: RegExp | undefined][] = [
    ['nothing', [], undefined],
    ['a read of the start', [read('0', 1, 2)], undefined],
    ['a read after a write', [write('x', 1, 2), read('x', 3, 4)], undefined],
    ['a stale read', [write('x', 1, 2), read('0', 3, 4)], /no order explains/],
    ['a read during a write may see either', [write('x', 1, 10), read('0', 2, 3), read('x', 4, 5)], undefined],
    ['but not first the new', [write('x', 1, 10), read('x', 2, 3), read('0', 4, 5)], /no order explains/],
    ['a read of what is still to come', [read('x', 1, 2), write('x', 3, 4)], /before it was written/],
    ['a read of nobody’s value', [read('y', 1, 2)], /never written/],
    ['a write that nobody heard of again', [write('x', 1, Infinity), read('0', 2, 3)], undefined],
    ['a write without an answer, seen', [write('x', 1, Infinity), read('0', 2, 3), read('x', 4, 5)], undefined],
    ['and gone again', [write('x', 1, Infinity), read('x', 2, 3), read('0', 4, 5)], /no order explains/],
    ['two writes at once, either order', [write('x', 1, 5), write('y', 1, 5), read('x', 6, 7)], undefined],
    [
      'but one order',
      [write('x', 1, 5), write('y', 1, 5), read('x', 6, 7), read('y', 8, 9), read('x', 10, 11)],
      /no order explains/,
    ],
  ]
  for (const [what, history, problem] of verdicts) {
    const found = registerProblem(history, '0')
    if (problem) t.match(found, problem, what)
    else t.equal(found, undefined, what)
  }
})

/** What an administrator did for one attempt is undone before the next. */
import t from 'tap'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Operator } from '../../../lib/cluster/operator.ts'

function operatorOf(folder: string): Operator {
  return new Operator({
    kubeconfig: { cluster: { server: 'http://127.0.0.1:1', insecureSkipTlsVerify: false }, user: {} },
    faceOf: () => '127.0.0.1',
    folderOf: () => folder,
  })
}

t.test('the latest is undone first, all of it whatever becomes of one step, and once', async (t) => {
  const operator = operatorOf(t.testdir())
  const undone: string[] = []
  operator.afterwards(() => void undone.push('first'))
  operator.afterwards(async () => Promise.reject(new Error('the second fails')))
  operator.afterwards(() => void undone.push('third'))
  await t.rejects(operator.undo(), { message: 'the second fails' })
  t.strictSame(undone, ['third', 'first'])
  await operator.undo()
  t.equal(undone.length, 2)
  operator.afterwards(() => void undone.push('left over'))
  await operator.close()
  t.equal(undone.at(-1), 'left over', 'who leaves undoes too')
})

t.test('a mode and a file come back as they were', async (t) => {
  const folder = t.testdir({ 'ca.crt': 'a CA' })
  const file = join(folder, 'ca.crt')
  const before = statSync(file).mode
  const operator = operatorOf(folder)
  operator.replaceFile('worker-1', '/ca.crt', 'another')
  operator.replaceFile('worker-1', '/ca.crt', 'a third')
  operator.changeMode('worker-1', '/ca.crt', 0o600)
  t.strictSame([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['a third', 0o600])
  await operator.undo()
  t.strictSame([readFileSync(file, 'utf8'), statSync(file).mode], ['a CA', before])
  await operator.close()
})

/** A scenario that tries to get out: not one of the package's, so it stands with its test. */
import { connect } from 'node:net'
import { readFile } from 'node:fs/promises'
import { scenario, type Variant } from '../../../lib/scenario/scenario.ts'

export const WRITABLE = '/etc/kubernetes/manifests'

const variant = (id: string): Variant => ({
  id,
  title: id,
  foothold: {
    name: 'worker-1',
    stands: id === 'folder' ? { on: 'host', host: 'worker-1', writes: WRITABLE } : { on: 'net' },
    holds: { credential: { stolen: '/etc/kubernetes/super-admin.conf', host: 'control-plane-1' } },
  },
  goal: { read: 'secret' },
  expect: { kubeadm: { kind: 'through' } },
  twin: {},
})

export default scenario({
  title: 'Escapes',
  story: 'An attacker tries what its fence and the ledger are there for.',
  refs: ['SECURITY.md'],
  variants: ['files', 'write', 'folder', 'process', 'off-the-wire'].map(variant),
  async attempt(world, which) {
    const said = async (name: string, act: () => Promise<unknown>): Promise<void> => {
      const code = await act().then(
        () => 'done',
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      world.observe({ code, text: name })
    }
    if (which === 'files') {
      await said('passwd', () => readFile('/etc/passwd'))
      // The control plane's key lies beside the foothold, in the same run.
      await said('ca.key', () =>
        readFile(`${world.heldPath('')}/../../hosts/control-plane-1/etc/kubernetes/pki/ca.key`),
      )
      await said('own', () => world.held('credential'))
    }
    if (which === 'write')
      await said('write', async () => (await import('node:fs/promises')).writeFile(world.heldPath('x'), 'x'))
    if (which === 'folder') {
      const put = async (path: string): Promise<void> => {
        if (await world.writeAsUser(path, 'x')) world.observe({ code: 'done', text: path })
      }
      await put(`${WRITABLE}/.left`)
      await put('/etc/kubernetes/kubelet.conf')
      await put(`${WRITABLE}/../beside`)
      const root = `${world.heldPath('')}/../../hosts/worker-1`
      await said('link', async () =>
        (await import('node:fs/promises')).symlink('/etc/passwd', `${root}${WRITABLE}/link`),
      )
    }
    if (which === 'process') {
      await said('spawn', async () => (await import('node:child_process')).execFileSync('id'))
      await said('worker', async () => new (await import('node:worker_threads')).Worker('', { eval: true }))
    }
    if (which === 'off-the-wire') {
      // Straight to where the component really binds, past the network.
      const back = world.network.hosts['control-plane-1']!.replace(/1$/, '2')
      await new Promise<void>((resolve) => {
        const socket = connect(6443, back, () => socket.write('GET / HTTP/1.1\r\n\r\n'))
        socket.on('close', () => resolve()).on('error', () => resolve())
        socket.resume()
      })
    }
    const { namespace, secret } = world.goal
    return [(await world.api({ path: `/api/v1/namespaces/${namespace}/secrets/${secret}` })).body]
  },
})

/** `mtls-range up`: keeps a cluster running and says how to reach it. */
import { join } from 'node:path'
import { startCluster } from '../cluster/start-cluster.ts'
import { loadPosture } from '../posture/posture.ts'
import { palette } from '../report/colour.ts'
import { interruptible } from './interruptible.ts'
import { members } from './etcd-members.ts'
import { realBinaries } from './real-binaries.ts'

interface UpOptions {
  posture?: string
  timing?: boolean
  with?: string[]
  etcdMembers?: string
}

export async function up(options: UpOptions): Promise<void> {
  const posture = members(await loadPosture(options.posture ?? 'kubeadm'), options)
  const real = await realBinaries(options.with)
  await interruptible(async (signal) => {
    const cluster = await startCluster(posture, {
      real,
      onStep: (step, milliseconds) => {
        if (options.timing) process.stderr.write(`${String(Math.round(milliseconds)).padStart(6)} ms  ${step}\n`)
      },
    })
    try {
      const colour = palette(process.stdout)
      const folder = (host: string, path: string): string => join(cluster.hostFolder(host), path)
      const controlPlane = posture.hosts.find(({ role }) => role === 'control-plane')?.name ?? ''
      const etcd = posture.hosts.find(({ role }) => role === 'etcd')?.name
      const facts = cluster.networkFacts(controlPlane)
      const lines = [
        colour.bold(`${posture.title} is up`) + colour.dim('  (Ctrl-C ends it and removes every file)'),
        '',
        ...Object.entries(facts.hosts).map(([name, address]) => `  ${name.padEnd(16)} ${address}`),
        '',
        `  kubectl --kubeconfig ${folder(controlPlane, '/etc/kubernetes/admin.conf')} get nodes`,
      ]
      if (etcd && facts.etcd[0]?.startsWith('https:')) {
        const pki = folder(etcd, '/etc/kubernetes/pki/etcd')
        lines.push(
          `  ETCDCTL_API=3 etcdctl --endpoints ${facts.etcd.join(',')} --cacert ${pki}/ca.crt --cert ${pki}/healthcheck-client.crt --key ${pki}/healthcheck-client.key get --prefix --keys-only /registry`,
        )
      } else if (facts.etcd[0])
        lines.push(`  ETCDCTL_API=3 etcdctl --endpoints ${facts.etcd.join(',')} get --prefix --keys-only /registry`)
      lines.push(`  curl -k ${facts.apiserver}/version`, '')
      process.stdout.write(`${lines.join('\n')}\n`)
      for (const each of cluster.processes) {
        each.once('exit', () => {
          if (!each.stopping) process.stderr.write(`${each.name} ended; its last words:\n${each.lastWords}\n`)
        })
      }
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    } finally {
      await cluster.stop()
    }
  }).catch((error: Error) => {
    // Ctrl-C is how this command ends.
    if (!error.message.startsWith('[interrupted]')) throw error
  })
}

/**
 * The floor under a cluster's start: as many bare Node processes, each of which serves TLS with a certificate of one CA,
 * asks for one, and dials the next process until both ends have verified each other. Nothing else is in them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeCommand, TLS_ENVIRONMENT } from '../../lib/cluster/node-command.ts'
import { issue } from '../../lib/x509/issue.ts'

/** CommonJS and nothing but node:tls: what any Node process would need. */
const BARE = `
const tls = require('node:tls')
const { readFileSync } = require('node:fs')
const [own, next, folder] = process.argv.slice(2)
const read = (name) => readFileSync(folder + '/' + name)
const material = { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') }
tls.createServer({ ...material, requestCert: true, rejectUnauthorized: true }, (socket) => socket.end('.')).listen(8443, own)
const dial = () => {
  const socket = tls.connect({ ...material, host: next, port: 8443, servername: 'bench', localAddress: own })
  socket.once('data', () => process.send('ready'))
  socket.once('error', (error) => (error.code === 'ECONNREFUSED' ? setTimeout(dial, 5) : process.exit(1)))
}
dial()
`

export interface Floor {
  milliseconds: number
  pids: number[]
  stop(): Promise<void>
}

export async function startFloor(processes: number): Promise<Floor> {
  const folder = mkdtempSync(join(tmpdir(), 'mtls-range-floor-'))
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
  const started = performance.now()
  const ca = await issue({ commonName: 'bench-ca', isCa: true, ...validity })
  const node = await issue(
    { commonName: 'bench', dnsNames: ['bench'], usages: ['serverAuth', 'clientAuth'], ...validity },
    ca,
  )
  const files = {
    'ca.crt': ca.certificate,
    'node.crt': node.certificate,
    'node.key': node.privateKey,
    'bare.cjs': BARE,
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const address = (index: number): string => `127.235.0.${(index % processes) + 1}`
  const children = Array.from({ length: processes }, (_, index): ChildProcess => {
    const args = [join(folder, 'bare.cjs'), address(index), address(index + 1), folder]
    const [program, ...rest] = nodeCommand(args, { tls: true })
    return spawn(program!, rest, { env: TLS_ENVIRONMENT, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  })
  await Promise.all(children.map((child) => once(child, 'message')))
  return {
    milliseconds: performance.now() - started,
    pids: children.flatMap(({ pid }) => pid ?? []),
    stop: async () => {
      await Promise.all(
        children.map((child) => {
          child.kill('SIGKILL')
          return once(child, 'exit')
        }),
      )
      rmSync(folder, { recursive: true })
    },
  }
}

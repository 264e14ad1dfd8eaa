/** The three members of peer.json, one address each, with certificates of a peer CA of their own. */
import { rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request as askHttps } from 'node:https'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { clusterIdOf, memberIdOf } from '../../../sim/etcd/cluster/members.ts'
import { MemberPlace, MemberProcess } from './member-process.ts'
import { RecordedPki } from './recorded-pki.ts'

export type MemberName = 'm1' | 'm2' | 'm3'

const TOKEN = 'peers'

/** Member ids that stand in recorded messages. */
export const RECORDED_IDS: Readonly<Record<MemberName, bigint>> = {
  m1: 0x151e4a543191fc0fn,
  m2: 0x18b99f6bed7f645dn,
  m3: 0x665267cd476550c1n,
}

export interface ClusterMember {
  name: MemberName
  address: string
  peer: string
  client: string
  id: bigint
  process: MemberProcess
}

export class PeerCluster {
  readonly place: MemberPlace
  readonly pki: RecordedPki
  readonly members = new Map<MemberName, ClusterMember>()

  static async start(): Promise<PeerCluster> {
    const place = await MemberPlace.create()
    const cluster = new PeerCluster(place)
    const ports = await freePorts(6)
    const names = ['m1', 'm2', 'm3'] as const
    const where = names.map((name, at) => {
      const address = `127.0.1.${at + 1}`
      return { name, address, peer: `${address}:${ports[2 * at]}`, client: `${address}:${ports[2 * at + 1]}` }
    })
    for (const each of where) {
      const id = memberIdOf([`https://${each.peer}`], TOKEN)
      cluster.members.set(each.name, { ...each, id, process: undefined as never })
    }
    for (const name of names) cluster.launch(name)
    for (const { process } of cluster.members.values()) {
      if (!(await process.serves())) throw new Error(process.process.lastWords)
    }
    return cluster
  }

  private constructor(place: MemberPlace) {
    this.place = place
    this.pki = new RecordedPki(place.pki)
    for (const name of ['server', 'peer1-sep', 'peer2-sep', 'peer3-sep', 'expired-peer', 'healthcheck-client'])
      this.pki.credential(name)
  }

  get clusterId(): bigint {
    return clusterIdOf([...this.members.values()].map(({ id }) => id))
  }

  member(name: MemberName): ClusterMember {
    return this.members.get(name)!
  }

  dataOf(name: MemberName): string {
    return join(this.place.folder, `${name}.etcd`)
  }

  /** `changed` flags take the place of those that a member is started with. */
  launch(name: MemberName, changed: readonly string[] = []): void {
    const member = this.member(name)
    const all = [...this.members.values()].map((each) => `${each.name}=https://${each.peer}`)
    const flags = [
      `--name=${name}`,
      `--data-dir=${this.dataOf(name)}`,
      `--listen-client-urls=https://${member.client}`,
      `--advertise-client-urls=https://${member.client}`,
      `--listen-peer-urls=https://${member.peer}`,
      `--initial-advertise-peer-urls=https://${member.peer}`,
      `--initial-cluster=${all.join(',')}`,
      `--initial-cluster-token=${TOKEN}`,
      '--cert-file={pki}/server.crt',
      '--key-file={pki}/server.key',
      '--client-cert-auth=true',
      '--trusted-ca-file={pki}/etcd-ca.crt',
      `--peer-cert-file={pki}/peer${name.slice(1)}-sep.crt`,
      `--peer-key-file={pki}/peer${name.slice(1)}-sep.key`,
      '--peer-client-cert-auth=true',
      '--peer-trusted-ca-file={pki}/etcd-peer-ca.crt',
    ]
    const nameOf = (flag: string): string => flag.split('=')[0]!
    const kept = flags.filter((flag) => !changed.some((each) => nameOf(each) === nameOf(flag)))
    member.process = new MemberProcess(this.place, [...kept, ...changed])
  }

  client(name: MemberName): GrpcClient {
    return new GrpcClient({
      endpoints: [`https://${this.member(name).client}`],
      keyPair: () => this.pki.credential('healthcheck-client'),
      insecureSkipVerify: true,
      timeoutMs: 10_000,
    })
  }

  /** What it tells Prometheus. */
  async metrics(name: MemberName): Promise<string> {
    const [host = '', port = ''] = this.member(name).client.split(':')
    const pair = this.pki.credential('healthcheck-client')
    const asked = askHttps({ host, port, path: '/metrics', rejectUnauthorized: false, agent: false, ...pair })
    asked.end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    let text = ''
    for await (const piece of response) text += String(piece)
    return text
  }

  async kill(name: MemberName): Promise<void> {
    await this.member(name).process.process.kill()
  }

  wipe(name: MemberName): void {
    rmSync(this.dataOf(name), { recursive: true, force: true })
  }

  async end(): Promise<void> {
    await Promise.all([...this.members.values()].map(({ process }) => process.process.kill()))
    this.place.remove()
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  for (const server of servers) server.close()
  return ports
}

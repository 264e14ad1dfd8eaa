/** A member of a recorded profile, and its clients. */
import { setImmediate as turn } from 'node:timers/promises'
import { GrpcClient } from '../../../lib/etcd/grpc-client.ts'
import { Maintenance, type StatusResponse } from '../../../lib/etcd/rpc_pb.ts'
import { MemberPlace, MemberProcess } from './member-process.ts'
import { recorded, RecordedPki } from './recorded-pki.ts'
import { ReplayTarget, type GrpcCall } from './replay-target.ts'

interface Profile {
  name: string
  credential: string
  flags: string[]
  stepsFirst?: GrpcCall[]
}

const FILL_DEADLINE_MS = 5000

export class ReplayMember extends ReplayTarget {
  readonly place: MemberPlace
  readonly pki: RecordedPki
  readonly #profile: Profile
  readonly #process: MemberProcess
  readonly #clients = new Map<string, GrpcClient>()

  static async start(profileName: string): Promise<ReplayMember> {
    const profile = recorded<Profile>('profiles.json').find(({ name }) => name === profileName)
    if (!profile) throw new Error(`no profile named ${profileName}`)
    const place = await MemberPlace.create()
    const pki = new RecordedPki(place.pki)
    for (const name of ['server', 'peer']) pki.credential(name)
    const member = new ReplayMember(profile, place, pki)
    if (!(await member.#process.serves())) throw new Error(member.#process.process.lastWords)
    await member.#prepare()
    return member
  }

  private constructor(profile: Profile, place: MemberPlace, pki: RecordedPki) {
    super()
    this.#profile = profile
    this.place = place
    this.pki = pki
    this.#process = new MemberProcess(place, profile.flags)
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) await client.close()
    await this.#process.process.kill()
    this.place.remove()
  }

  /** With a certificate of that name; `none` shows none, and the profile's own is the default. */
  override client(credential = this.#profile.credential): GrpcClient {
    const known = this.#clients.get(credential)
    if (known) return known
    const client = new GrpcClient({
      endpoints: [`https://127.0.0.1:${this.place.clientPort}`],
      caPem: () => this.pki.pem('etcd-ca.crt'),
      ...(credential === 'none' ? {} : { keyPair: () => this.pki.credential(credential) }),
    })
    this.#clients.set(credential, client)
    return client
  }

  credentialOr(credential: string | undefined): string {
    return credential ?? this.#profile.credential
  }

  protected override portOf(name: string): string | undefined {
    const port = this.place.ports.get(name.replace('m1_', ''))
    return port === undefined ? undefined : `127.0.0.1:${port}`
  }

  async #prepare(): Promise<void> {
    for (const step of this.#profile.stepsFirst ?? [])
      for (let count = 0; count < (step.repeat ?? 1); count += 1) await this.call(step)
    const token = this.variables.get('admin_token')
    const status = (): Promise<StatusResponse> =>
      this.client().unary(Maintenance.method.status, {}, token ? { token } : {})
    const { header } = await status()
    // The recorded steps filled the store; the db file, which the quota is about, follows with the next commit.
    const quotaBytes = Number(/--quota-backend-bytes=(\d+)/.exec(this.#profile.flags.join(' '))?.[1] ?? 0)
    const end = performance.now() + FILL_DEADLINE_MS
    while ((await status()).dbSize < quotaBytes && performance.now() < end) await turn()
    const id = String(header!.memberId)
    for (const [name, value] of [
      ['cluster_id', String(header!.clusterId)],
      ['member_id', id],
      ['m1_id', id],
      ['raft_term', String(header!.raftTerm)],
    ] as const)
      this.variables.set(name, value)
  }
}

/** Builds the verbs of one attempt from where the attacker stands and what it holds. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { credentialIn, credentialOf } from './credential.ts'
import type { AttackerCall, AttemptOrder, FromAttacker } from './range-channel.ts'
import type { ReadOptions } from '../wire/plaintext.ts'
import { requestOnce, type Caller } from './request.ts'
import type { Observation, World } from './world.ts'

export interface AnswerWaiter {
  resolve: () => void
  reject: (error: Error) => void
}

export interface Surroundings {
  observe: (observation: Observation) => void
  waiting: Map<number, AnswerWaiter>
  send: (message: FromAttacker) => void
}

let calls = 0

export function createWorld(folder: string, order: AttemptOrder, around: Surroundings): World {
  const { observe } = around
  const ask = (call: Record<string, unknown> & { call: AttackerCall['call'] }): Promise<void> =>
    new Promise((resolve, reject) => {
      const id = ++calls
      around.waiting.set(id, { resolve, reject })
      around.send({ kind: 'call', id, ...call } as AttackerCall)
    })
  const plain: Caller = { localAddress: order.network.own.face, observe }
  const callerAs = async (as: string | undefined): Promise<Caller> => ({
    ...plain,
    ...(await credentialIn(folder, as)),
  })

  const onMachine = async <Got>(path: string, act: (real: string) => Promise<Got>): Promise<Got | undefined> => {
    if (order.machine === undefined)
      throw new Error(
        '[no_machine] the attacker is on no machine: its foothold must stand on one to use what lies there',
      )
    try {
      return await act(join(order.machine.root, path))
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      observe(refusedBySystem(code, path) ?? { code, text: path })
      return undefined
    }
  }

  return {
    network: order.network,
    goal: order.goal,
    mark: order.mark,
    target: order.target,
    observe,
    api: async (request) => {
      if (request.bearer !== undefined)
        return requestOnce(order.network.apiserver, request, { ...plain, token: request.bearer })
      if (request.withKeyPair !== undefined)
        return requestOnce(order.network.apiserver, request, { ...plain, keyPair: request.withKeyPair })
      const caller =
        request.with === undefined ? await callerAs(request.as) : { ...plain, ...(await credentialOf(request.with)) }
      return requestOnce(order.network.apiserver, request, caller)
    },
    request: async (baseUrl, request) => requestOnce(baseUrl, request, await callerAs(request.as)),
    follow: async (baseUrl, request) =>
      (await import('./follow.ts')).follow(baseUrl, request, await callerAs(request.as)),
    exec: async (baseUrl, request) =>
      (await import('./exec.ts')).execOnce(baseUrl, request, await callerAs(request.as)),
    etcd: async (baseUrl, as) => (await import('./etcd.ts')).etcdThief(baseUrl, await callerAs(as)),
    intercept: async (options) => {
      const { intercept } = await import('./intercept.ts')
      const intercepted = await intercept(options, {
        folder,
        listenAddress: order.network.own.back,
        caller: await callerAs(options.as),
      })
      await ask({ call: 'divert', address: intercepted.address, port: intercepted.port })
      return intercepted
    },
    disturb: (faults) => ask({ call: 'disturb', faults }),
    resume: async (where, request) => (await import('./resume.ts')).resume(where, request, await callerAs(where.as)),
    renegotiate: async (baseUrl, request) =>
      (await import('./renegotiate.ts')).renegotiate(baseUrl, request, await callerAs(request.as)),
    halfOpen: async (baseUrl, random) => (await import('./half-open.ts')).halfOpen(baseUrl, random, plain),
    sniff: async () => (await import('./sniff.ts')).maySniff(observe),
    meanwhile: () => ask({ call: 'meanwhile' }),
    capture: async () => {
      await ask({ call: 'capture' })
      const { plaintextOf } = await import('../wire/plaintext.ts')
      return plaintextOf(join(folder, 'capture.pcapng'), await leakedIn(folder))
    },
    held: (name) => readFile(join(folder, name)),
    heldPath: (name) => join(folder, name),
    holds: async (name) => (await readdir(folder)).includes(name),
    runtime: async () => {
      const [{ runtimeThief }, { RUNTIME_SOCKET }] = await Promise.all([
        import('./runtime.ts'),
        import('../cluster/cri.ts'),
      ])
      return onMachine(RUNTIME_SOCKET, runtimeThief)
    },
    environmentOf: async (pid) => {
      const path = `/proc/${pid}/environ`
      try {
        return await readFile(path)
      } catch (error) {
        const refused = refusedBySystem((error as NodeJS.ErrnoException).code, path)
        if (refused) observe(refused)
        return undefined
      }
    },
    readAsUser: (path) => onMachine(path, (real) => readFile(real)),
    writeAsUser: async (path, content) =>
      (await onMachine(path, (real) => writeFile(real, content).then(() => true))) ?? false,
  }
}

/** Node's own fence is not the machine's: only the system's word is evidence of a file mode. */
function refusedBySystem(code: string | undefined, path: string): Observation | undefined {
  return code === 'EACCES' || code === 'EPERM' ? { layer: 'os', code, text: path } : undefined
}

/** What a foothold holds that may open a recording: read when it is needed, as session keys leak as late as anything. */
async function leakedIn(folder: string): Promise<ReadOptions> {
  const names = await readdir(folder, { recursive: true })
  const all = (ending: string): Promise<Buffer[]> =>
    Promise.all(names.filter((name) => name.endsWith(ending)).map((name) => readFile(join(folder, name))))
  return {
    keyLog: await readFile(join(folder, 'keylog'), 'utf8').catch(() => ''),
    serverKeys: (await all('.key')).map(String),
    ticketKeys: await all('.stek'),
  }
}

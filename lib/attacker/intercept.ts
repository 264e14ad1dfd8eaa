/** Standing on the path: the attacker's end of lib/wire/intercept.ts, with what the foothold holds. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answerExec } from '../wire/answer-exec.ts'
import { answerHttp } from '../wire/answer-http.ts'
import { intercept as interceptOnWire, type Onward } from '../wire/intercept.ts'
import type { Caller } from './request.ts'
import type { Loot } from './world.ts'

export interface InterceptOptions {
  /** Name of the certificate in the foothold that victims are shown; left out, victims are taken to speak in the clear. */
  certificate?: string
  /** Base URL that the victim's words are passed on to. */
  relayTo?: string
  /** Or answer as a kubelet would: take what is typed into exec, print nothing. */
  answer?: 'websocket'
  as?: string
}

export interface Intercepted {
  address: string
  port: number
  /** Everything that victims said and were told. */
  loot(): Loot
  /** Waits until a victim has refused us, or until what was seen holds one of the words; a while at most. */
  seen(words: readonly string[]): Promise<void>
  close(): Promise<void>
}

export interface Stand {
  folder: string
  listenAddress: string
  caller: Caller
}

/** How long a victim may take to come, and how often the attacker looks. */
const PATIENCE_MS = 4000
const LOOK_MS = 20

export async function intercept(options: InterceptOptions, stand: Stand): Promise<Intercepted> {
  const typed: Buffer[] = []
  const tls =
    options.certificate === undefined ? undefined : { keyPair: await keyPairIn(stand.folder, options.certificate) }
  const interceptor = await interceptOnWire({
    listen: { address: stand.listenAddress, ...(tls ? { tls } : {}) },
    ...(options.answer
      ? {
          answer: answerHttp({
            request: () => ({ status: 404, body: '404 page not found\n' }),
            webSocket: answerExec({ output: '', stdin: (bytes) => void typed.push(bytes) }),
          }),
        }
      : {}),
    ...(options.relayTo ? { onward: onwardTo(options.relayTo, stand.caller) } : {}),
  })
  return {
    address: interceptor.address,
    port: interceptor.port,
    loot: () => {
      for (const { victim, local, refusal } of interceptor.refused) {
        const alert = refusal.details.alert === undefined ? {} : { alert: refusal.details.alert }
        stand.caller.observe({ local, remote: victim, code: refusal.code, text: refusal.message, ...alert })
      }
      return [...typed, ...interceptor.loot()]
    },
    async seen(words) {
      const end = performance.now() + PATIENCE_MS
      const isOver = (): boolean =>
        interceptor.refused.length > 0 || interceptor.loot().some((piece) => words.some((word) => piece.includes(word)))
      while (!isOver() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    },
    close: () => interceptor.close(),
  }
}

async function keyPairIn(folder: string, name: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = await Promise.all([
    readFile(join(folder, `${name}.crt`), 'utf8'),
    readFile(join(folder, `${name}.key`), 'utf8'),
  ])
  return { cert, key }
}

function onwardTo(baseUrl: string, caller: Caller): Onward {
  const url = new URL(baseUrl)
  return {
    address: url.hostname,
    port: Number(url.port),
    localAddress: caller.localAddress,
    ...(url.protocol === 'https:' ? { tls: caller.keyPair ? { keyPair: caller.keyPair } : {} } : {}),
  }
}

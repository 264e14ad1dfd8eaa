/** Standing on the path: the attacker's end of lib/wire/intercept.ts, with what the foothold holds. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { answerExec } from '../wire/answer-exec.ts'
import { answerHttp, type HttpQuestion, type HttpReply } from '../wire/answer-http.ts'
import type { Fault } from '../wire/fault.ts'
import { intercept as interceptOnWire, type Intercepted as Overheard, type Onward } from '../wire/intercept.ts'
import type { Direction } from '../wire/relay.ts'
import type { Caller } from './request.ts'
import type { Loot } from './world.ts'

export interface InterceptOptions {
  /** Name of the certificate in the foothold that victims are shown; left out, victims are taken to speak in the clear. */
  certificate?: string
  /** Base URL that the victim's words are passed on to. */
  relayTo?: string
  /** Or answer as a kubelet would: take what is typed into exec, print nothing. */
  answer?:
    | 'websocket'
    /** Or say nothing at all, and hear what a client says by itself. */
    | 'silence'
  /** Or answer each request as one likes. */
  reply?: (question: HttpQuestion) => HttpReply | undefined
  as?: string
  /** Sees what passes in pieces as they come, opened where TLS ends here; what it returns passes instead. */
  change?: (direction: Direction, piece: Buffer) => Buffer
  /** What is done to the bytes as they pass, records among them: for one who does not end the victim's TLS. */
  faults?: readonly Fault[]
}

export interface Intercepted {
  address: string
  port: number
  /** Everything that victims said and were told. */
  loot(): Loot
  /** Each connection that was passed on, as a recording of it would hold it. */
  recorded(): { toCallee: Buffer; toCaller: Buffer }[]
  /** The victims' certificates in DER, leaf first: public, and of no use without their keys. */
  chains(): Buffer[][]
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
  // As the real server does; who answers by itself speaks HTTP/1.1 alone.
  const alpn = options.answer === 'websocket' || options.reply ? ['http/1.1'] : ['h2', 'http/1.1']
  const interceptor = await interceptOnWire({
    listen: { address: stand.listenAddress, ...(tls ? { tls: { ...tls, alpn } } : {}) },
    ...(options.answer === 'silence' ? { answer: listen } : {}),
    ...(options.answer === 'websocket' || options.reply
      ? {
          answer: answerHttp({
            request: (question) => {
              const { method, path, headers, body } = question
              typed.push(Buffer.from(`${method} ${path}\n${JSON.stringify(headers)}\n`), body)
              return options.reply?.(question) ?? { status: 404, body: '404 page not found\n' }
            },
            webSocket: answerExec({ output: '', stdin: (bytes) => void typed.push(bytes) }),
          }),
        }
      : {}),
    ...(options.change ? { pass: (direction, piece) => options.change?.(direction, piece) ?? piece } : {}),
    ...(options.faults ? { faults: options.faults } : {}),
    ...(options.relayTo ? { onward: onwardTo(options.relayTo, stand.caller, tls === undefined) } : {}),
  })
  return {
    address: interceptor.address,
    port: interceptor.port,
    loot: () => {
      for (const { victim, local, refusal } of interceptor.refused) {
        const alert = refusal.details.alert === undefined ? {} : { alert: refusal.details.alert }
        stand.caller.observe({ local, remote: victim, code: refusal.code, text: refusal.message, ...alert })
      }
      for (const { local, refusedOnward } of interceptor.connections) {
        if (refusedOnward?.layer === undefined) continue
        const { code, message: text, layer, details } = refusedOnward
        const remote = details.remote ?? (options.relayTo === undefined ? local : new URL(options.relayTo).host)
        stand.caller.observe({ remote, code, text, layer })
      }
      return [...typed, ...interceptor.loot()]
    },
    recorded: () =>
      interceptor.connections.map(({ toCallee, toCaller }) => ({
        toCallee: Buffer.concat(toCallee),
        toCaller: Buffer.concat(toCaller),
      })),
    chains: () => interceptor.connections.map(({ peerChain }) => peerChain).filter(({ length }) => length > 0),
    async seen(words) {
      const end = performance.now() + PATIENCE_MS
      const isOver = (): boolean =>
        interceptor.refused.length > 0 ||
        [...typed, ...interceptor.loot()].some((piece) => words.some((word) => piece.includes(word)))
      while (!isOver() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    },
    close: () => interceptor.close(),
  }
}

/** RFC 9113 section 6.5, empty: a client of HTTP/2 may wait for it before it says anything. */
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

function listen(socket: Duplex, connection: Overheard): void {
  socket.once('data', (chunk: Buffer) => {
    if (chunk.subarray(0, 5).toString() === 'PRI *' && socket.writable) socket.write(SETTINGS)
  })
  socket.on('data', (chunk: Buffer) => connection.toCallee.push(chunk))
}

async function keyPairIn(folder: string, name: string): Promise<{ cert: string; key: string }> {
  const [cert, key] = await Promise.all([
    readFile(join(folder, `${name}.crt`), 'utf8'),
    readFile(join(folder, `${name}.key`), 'utf8'),
  ])
  return { cert, key }
}

/** `isRaw`: the victim's own TLS goes on to the server, whole. */
function onwardTo(baseUrl: string, caller: Caller, isRaw: boolean): Onward {
  const url = new URL(baseUrl)
  return {
    address: url.hostname,
    port: Number(url.port),
    localAddress: caller.localAddress,
    ...(url.protocol === 'https:' && !isRaw ? { tls: caller.keyPair ? { keyPair: caller.keyPair } : {} } : {}),
  }
}

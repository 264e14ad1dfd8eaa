/**
 * Puts the recorded exec, attach and port-forward calls to our kubelet, alone or behind kube-apiserver's link, byte by byte: WebSocket frames and SPDY frames are read
 * here by hand, so that what is compared is what was on the wire.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { HeaderReader, HeaderWriter } from '../../../lib/kube/spdy-headers.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { packageRoot } from '../../../lib/settings/package-root.ts'
import { KubeletWorld, recordedPods, type RunningKubelet } from '../../sim/kubelet/kubelet-world.ts'
import { execFront, portOf } from './exec-front.ts'
import { parseAnswer } from './raw-http.ts'
import { mayReview, RecordedIdentities } from './recorded-identities.ts'

export type ExecFrame =
  | { channel: number; data: string }
  | { text: string }
  | { pong: string }
  | { close: number; reason?: string }
  | { frame: string; stream: string; status?: number; lastStream?: number }
  | { frame: 'GOAWAY'; lastStream: number; status: number }
  | { stream: string; data: string; fin?: true }
  | { eof: true }
  | { stillOpenAfterSeconds: number }

type Opened = string | Record<string, string>

export interface ExecRow {
  id: string
  as?: string
  method: string
  path: string
  headers: Record<string, string | string[]>
  /** WebSocket: [channel, text], or ['raw', hex, opcode]. */
  sends?: ([number, string] | ['raw', string, number])[]
  /** SPDY: streams by their type or headers, and what is written on them. */
  opens?: Opened[]
  writes?: [string | number, string, boolean?][]
  /** SPDY in a WebSocket: a pair of streams to this port. */
  tunnels?: string
  status: number
  answers: Record<string, string>
  body?: string
  frames?: ExecFrame[]
}

export function recordedExecs(): ExecRow[] {
  return JSON.parse(readFileSync(join(packageRoot(), 'test/fidelity/kubelet/exec.json'), 'utf8')) as ExecRow[]
}

/** That long nothing more may come on a connection that stays open. */
const QUIET_MS = 250
const DEADLINE_MS = 10_000
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

export class ExecReplay {
  readonly #world = new KubeletWorld()
  readonly #identities = new RecordedIdentities()
  #kubelet: RunningKubelet | undefined
  #front: Server | undefined

  async start(): Promise<this> {
    await this.#world.start(this.#identities.clientCa)
    const { api } = this.#world
    api.mayReview = mayReview
    for (const [path, pod] of Object.entries(recordedPods())) api.put('ADDED', path, withPorts(pod))
    this.#kubelet = await this.#world.kubelet()
    await this.#kubelet.serving()
    for (const path of Object.keys(recordedPods())) {
      await api.until(() => {
        const status = api.objects.get(path)?.['status'] as { phase?: string } | undefined
        return status?.phase === 'Running' || undefined
      }, `${path} runs`)
    }
    const { clientCertificateData: cert, clientKeyData: key } = this.#identities.certificate('super-admin')
    this.#front = await execFront(this.#kubelet.port, { cert, key }, Object.values(recordedPods()))
    return this
  }

  stop(): void {
    this.#front?.closeAllConnections()
    this.#front?.close()
    this.#world.stop()
  }

  async replay(row: ExecRow): Promise<ExecRow> {
    const user = row.as === undefined ? {} : this.#identities.certificate(row.as)
    const isAsked = row.path.startsWith('/api/')
    const socket = isAsked
      ? connect(portOf(this.#front!), '127.0.0.1')
      : await this.#world.clientAs(this.#kubelet!.port, user).connect()
    const staysOpen = row.frames?.some((frame) => 'stillOpenAfterSeconds' in frame)
    const wire = new Wire(socket, staysOpen ? QUIET_MS : DEADLINE_MS)
    socket.write(head(row))
    const answer = parseAnswer(await wire.head(row))
    const answers = Object.fromEntries(
      Object.keys(row.answers).map((name) => [name, answer.headers.get(name.toLowerCase()) ?? '']),
    )
    const got = { ...row, status: answer.status, answers }
    if (answer.status !== 101) return { ...got, ...(row.body === undefined ? {} : { body: answer.body }) }
    const isWebSocket = answer.headers.get('upgrade') === 'websocket'
    const frames = isWebSocket && row.tunnels === undefined ? await webSocket(wire, row) : await spdy(wire, row)
    return { ...got, ...(row.frames ? { frames } : {}) }
  }
}

/** The recorded Pod echoed on port 8080 and greeted on port 8081. */
function withPorts(pod: KubeObject): KubeObject {
  if (pod.metadata.name !== 'web') return pod
  const spec = pod['spec'] as { containers: object[] }
  const server = (name: string, script: string): object => ({ name, image: 'i', command: ['sh', '-c', script] })
  const servers = [
    server('echo', 'nc -lk -p 8080 -e cat'),
    server('greet', 'nc -lk -p 8081 -e echo hello from the pod'),
  ]
  return { ...pod, spec: { ...spec, containers: [...spec.containers, ...servers] } }
}

function head({ method, path, headers, tunnels }: ExecRow): string {
  const own = commandsOfOurs(path)
  const isWebSocket = tunnels !== undefined || headers['Upgrade'] === 'websocket'
  const isUpgrade = isWebSocket || headers['Upgrade'] !== undefined
  const all: Record<string, string | string[]> = {
    Host: 'worker-1',
    'User-Agent': 'recorder',
    Accept: '*/*',
    'Accept-Encoding': 'identity',
    ...(isUpgrade ? { Connection: 'Upgrade' } : { Connection: 'close' }),
    ...(isWebSocket ? { Upgrade: 'websocket', 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Version': '13' } : {}),
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => [value].flat().map((each) => `${name}: ${each}`))
  return `${method} ${own} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** The recorded runtime had commands of its own; ours that do the same. */
function commandsOfOurs(path: string): string {
  return path
    .replace('command=stderr&command=oops', 'command=sh&command=-c&command=echo+oops+%3E%262')
    .replace('command=size', 'command=stty&command=size')
}

/** A connection's bytes, taken as they are wanted. */
class Wire {
  readonly #socket: Socket
  readonly #quietMs: number
  #bytes = Buffer.alloc(0)
  #isOver = false

  constructor(socket: Socket, quietMs: number) {
    this.#socket = socket
    this.#quietMs = quietMs
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      socket.emit('more')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isOver = true
      socket.emit('more')
    })
    socket.on('end', () => socket.end())
  }

  write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** The head of an answer, or all of one that is no upgrade. */
  async head(row: ExecRow): Promise<string> {
    for (;;) {
      const text = this.#bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end !== -1 && text.startsWith('HTTP/1.1 101 ')) {
        this.#bytes = this.#bytes.subarray(end + 4)
        return text.slice(0, end + 4)
      }
      if (this.#isOver) return text
      await this.#more(DEADLINE_MS, `an answer to ${row.id}`)
    }
  }

  /** What `next` makes of the bytes, one after the other, until `isLast`, the end, or a while of silence. */
  async frames(
    next: (bytes: Buffer) => { frame: ExecFrame | undefined; length: number } | undefined,
  ): Promise<ExecFrame[]> {
    const frames: ExecFrame[] = []
    for (;;) {
      const read = next(this.#bytes)
      if (read) {
        this.#bytes = this.#bytes.subarray(read.length)
        if (read.frame) frames.push(read.frame)
        if (read.frame && 'close' in read.frame) {
          this.#socket.destroy()
          return frames
        }
      } else if (this.#isOver) return [...frames, { eof: true }]
      else if (!(await this.#more(this.#quietMs))) {
        this.#socket.destroy()
        return [...frames, { stillOpenAfterSeconds: 0 }]
      }
    }
  }

  async #more(waitMs: number, what?: string): Promise<boolean> {
    try {
      await once(this.#socket, 'more', { signal: AbortSignal.timeout(waitMs) })
      return true
    } catch {
      if (what !== undefined) throw new Error(`waited in vain for ${what}`)
      return false
    }
  }
}

function webSocket(wire: Wire, row: ExecRow): Promise<ExecFrame[]> {
  for (const [first, text, opcode = 2] of row.sends ?? []) {
    const payload =
      first === 'raw' ? Buffer.from(text, 'hex') : Buffer.concat([Buffer.from([first]), Buffer.from(text)])
    wire.write(masked(opcode, payload))
  }
  const isText = String(row.answers['Sec-WebSocket-Protocol'] ?? '').includes('base64')
  return wire.frames((bytes) => {
    const read = unmasked(bytes)
    if (!read) return undefined
    const { opcode, payload, length } = read
    const frame: ExecFrame =
      opcode === 8
        ? { close: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
        : opcode === 10
          ? { pong: payload.toString() }
          : isText
            ? { text: payload.toString() }
            : { channel: payload[0] ?? -1, data: payload.toString('utf8', 1) }
    return { frame, length }
  })
}

function masked(opcode: number, payload: Buffer): Buffer {
  if (payload.length > 125) {
    const long = Buffer.alloc(2)
    long.writeUInt16BE(payload.length)
    return Buffer.concat([Buffer.from([0x80 | opcode, 0xfe]), long, Buffer.alloc(4), payload])
  }
  // masked with zeros, which changes nothing
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), Buffer.alloc(4), payload])
}

function unmasked(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 0x7f
  const start = short === 127 ? 10 : short === 126 ? 4 : 2
  if (bytes.length < start) return undefined
  const size = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
  if (bytes.length < start + size) return undefined
  return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(start, start + size), length: start + size }
}

const FRAME_NAMES: Readonly<Record<number, string>> = { 2: 'SYN_REPLY', 3: 'RST_STREAM', 7: 'GOAWAY' }

async function spdy(wire: Wire, row: ExecRow): Promise<ExecFrame[]> {
  const { tunnels, opens = [], writes = [] } = row
  const writer = new HeaderWriter()
  const reader = new HeaderReader()
  const pair = ['error', 'data'].map((streamtype) => ({ streamtype, port: tunnels ?? '', requestid: '0' }))
  const streams = tunnels === undefined ? opens : pair
  const names = new Map<number, string>()
  const send = (bytes: Buffer): void => wire.write(tunnels === undefined ? bytes : masked(2, bytes))
  for (const [index, stream] of streams.entries()) {
    const id = 2 * index + 1
    const headers: Record<string, string> = typeof stream === 'string' ? { streamtype: stream } : stream
    const { streamtype = '', requestid } = headers
    names.set(id, tunnels !== undefined || requestid === undefined ? streamtype : `${streamtype}:${requestid}`)
    const body = Buffer.concat([uint32(id), Buffer.alloc(6), writer.write(new Map(Object.entries(headers)))])
    send(Buffer.concat([Buffer.from([0x80, 3, 0, 1, 0, 0, 0, body.length]), body]))
  }
  for (const [to, text, isLast] of writes) {
    const index = typeof to === 'number' ? to : opens.indexOf(to)
    const length = Buffer.from([isLast ? 1 : 0, 0, 0, text.length])
    send(Buffer.concat([uint32(2 * index + 1), length, Buffer.from(text)]))
  }
  let inner = Buffer.alloc(0)
  return wire.frames((bytes) => {
    if (tunnels === undefined) return spdyFrame(bytes, names, reader)
    // messages need not hold whole frames
    const read = spdyFrame(inner, names, reader)
    if (read) {
      inner = inner.subarray(read.length)
      return { frame: read.frame, length: 0 }
    }
    const message = unmasked(bytes)
    if (!message) return undefined
    inner = Buffer.concat([inner, message.payload])
    return { frame: undefined, length: message.length }
  })
}

function spdyFrame(
  bytes: Buffer,
  names: ReadonlyMap<number, string>,
  reader: HeaderReader,
): { frame: ExecFrame | undefined; length: number } | undefined {
  if (bytes.length < 8) return undefined
  const length = 8 + bytes.readUIntBE(5, 3)
  if (bytes.length < length) return undefined
  const body = bytes.subarray(8, length)
  if ((bytes[0]! & 0x80) === 0) {
    const stream = names.get(bytes.readUInt32BE(0)) ?? '?'
    return { frame: { stream, data: body.toString(), ...(bytes[4]! & 1 ? { fin: true as const } : {}) }, length }
  }
  const frame = FRAME_NAMES[bytes.readUInt16BE(2)] ?? '?'
  const id = body.readUInt32BE(0)
  if (frame === 'GOAWAY') return { frame: { frame, lastStream: id, status: body.readUInt32BE(4) }, length }
  const stream = names.get(id) ?? '?'
  if (frame === 'SYN_REPLY') reader.read(body.subarray(4))
  return { frame: { frame, stream, ...(frame === 'RST_STREAM' ? { status: body.readUInt32BE(4) } : {}) }, length }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** What is compared: data joined by stream, the order of replies and resets left open, as it is in the recording. */
export function comparable({ status, answers, body, frames }: ExecRow): unknown {
  if (!frames) return { status, answers, body }
  const data = new Map<string, string>()
  const others: string[] = []
  for (const frame of frames) {
    if ('data' in frame) {
      const key = 'stream' in frame ? frame.stream : String(frame.channel)
      data.set(key, (data.get(key) ?? '') + mask(frame.data))
      if ('fin' in frame) others.push(`${key} fin`)
    } else if ('stillOpenAfterSeconds' in frame) others.push('still open')
    else if ('close' in frame) others.push(`close ${frame.close}`)
    else others.push(JSON.stringify(frame))
  }
  return { status, answers, body, data: [...data].map((pair) => pair.join(': ')).toSorted(), others: others.toSorted() }
}

function mask(text: string): string {
  return text
    .replace(/[0-9a-f]{64}|<container-id>/g, '<container>')
    .replace(/\/var\/run\/netns\/[\w-]+/g, '/var/run/netns/<name>')
}

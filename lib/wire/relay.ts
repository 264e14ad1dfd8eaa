import type { Socket } from 'node:net'
import { LateWrites } from './late-writes.ts'
import type { Step } from './passage.ts'

/** `toCallee`: bytes that the caller sent. */
export type Direction = 'toCallee' | 'toCaller'

/** Told of everything that passes, in the order in which it passes, before it is written on. */
export interface RelayWatcher {
  bytes(direction: Direction, chunk: Buffer): void
  /** A FIN: this side will send no more. */
  fin(direction: Direction): void
  /** A RST from the side whose bytes go in that direction. */
  reset(direction: Direction): void
  /** Both sides are gone. Called once. */
  closed(): void
  /** What passes in the place of the chunk; undefined, the rule: the chunk itself, now. Without a chunk: what is held. */
  pass?(direction: Direction, chunk: Buffer | undefined): Step | undefined
}

/** A relay whose frozen directions can be made to go on. */
export interface Relay {
  thaw(direction: Direction, held: Step): void
}

const NOTHING = Buffer.alloc(0)

/**
 * Joins two connected, still paused sockets opened with allowHalfOpen: bytes both ways with back-pressure, a FIN as a
 * FIN, a RST as a RST. It never holds more than the two sockets' own write buffers, and of what is delayed
 * MOST_DELAYED_BYTES each way.
 */
export function relay(caller: Socket, callee: Socket, watcher: RelayWatcher): Relay {
  let open = 2
  const closed = () => {
    if (--open === 0) watcher.closed()
  }
  const thaws = {
    toCallee: pump(caller, callee, 'toCallee', watcher, closed),
    toCaller: pump(callee, caller, 'toCaller', watcher, closed),
  }
  return { thaw: (direction, held) => thaws[direction](held) }
}

type Thaw = (held: Step) => void

function pump(source: Socket, sink: Socket, direction: Direction, watcher: RelayWatcher, closed: () => void): Thaw {
  const late = new LateWrites(source, sink)
  let isFrozen = false
  let isFinHeld = false
  const follow = ({ bytes, delayMs, ending }: Step): void => {
    if (bytes.length > 0) {
      if (late.takes(delayMs)) late.write(bytes, delayMs)
      else if (!sink.write(bytes)) source.pause()
    }
    if (ending === 'freeze') {
      isFrozen = true
      source.pause()
    } else if (ending === 'reset') late.afterwards(() => resetBoth(source, sink))
    else if (ending !== undefined) {
      late.afterwards(() => sink.end())
      if (ending === 'cut') late.afterwards(() => source.end())
    }
  }
  source.on('data', (chunk: Buffer) => {
    const step = watcher.pass?.(direction, chunk)
    watcher.bytes(direction, step !== undefined && direction === 'toCaller' ? step.bytes : chunk)
    if (step !== undefined) return follow(step)
    if (late.takes(0)) late.write(chunk, 0)
    else if (!sink.write(chunk)) source.pause()
  })
  sink.on('drain', () => (isFrozen || late.isFull ? undefined : source.resume()))
  const fin = () => {
    // A paused source still says that it has come to its end.
    isFinHeld = isFrozen
    if (isFrozen) return
    const held = watcher.pass?.(direction, undefined)
    if (held !== undefined) follow(held)
    watcher.fin(direction)
    late.afterwards(() => sink.end())
  }
  source.on('end', () => {
    // libuv reports data followed by a RST as data followed by an end; only a write still tells them apart (EPIPE).
    // Where something waits to be written, that write will fail in its turn.
    if (!source.writable || source.writableLength > 0) fin()
    else source.write(NOTHING, (error) => (error ? undefined : fin()))
  })
  // ECONNRESET, or EPIPE and ETIMEDOUT on a write: to the other side they are all a reset.
  source.on('error', () => {
    watcher.reset(direction)
    reset(sink)
  })
  source.on('close', closed)
  source.resume()
  return (held) => {
    isFrozen = false
    follow(held)
    if (isFinHeld) fin()
    else source.resume()
  }
}

function resetBoth(source: Socket, sink: Socket): void {
  reset(sink)
  if (!source.destroyed) source.resetAndDestroy()
}

/** Resets after what was already accepted has left: an alert that a server sends just before its RST still arrives. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableLength === 0) socket.resetAndDestroy()
  else if (socket.writableEnded) socket.once('finish', () => socket.resetAndDestroy())
  else socket.write(NOTHING, () => socket.resetAndDestroy())
}

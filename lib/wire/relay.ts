import type { Socket } from 'node:net'

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
}

const NOTHING = Buffer.alloc(0)

/**
 * Joins two connected, still paused sockets opened with allowHalfOpen: bytes both ways with back-pressure, a FIN as a
 * FIN, a RST as a RST. It never holds more than the two sockets' own write buffers.
 */
export function relay(caller: Socket, callee: Socket, watcher: RelayWatcher): void {
  let open = 2
  const closed = () => {
    if (--open === 0) watcher.closed()
  }
  pump(caller, callee, 'toCallee', watcher, closed)
  pump(callee, caller, 'toCaller', watcher, closed)
}

function pump(source: Socket, sink: Socket, direction: Direction, watcher: RelayWatcher, closed: () => void): void {
  source.on('data', (chunk: Buffer) => {
    watcher.bytes(direction, chunk)
    if (!sink.write(chunk)) source.pause()
  })
  sink.on('drain', () => source.resume())
  const fin = () => {
    watcher.fin(direction)
    sink.end()
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
}

/** Resets after what was already accepted has left: an alert that a server sends just before its RST still arrives. */
function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableLength === 0) socket.resetAndDestroy()
  else if (socket.writableEnded) socket.once('finish', () => socket.resetAndDestroy())
  else socket.write(NOTHING, () => socket.resetAndDestroy())
}

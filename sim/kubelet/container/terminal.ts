/**
 * A container's side of `-t`: what a kernel's line discipline does between a typist and a program. It echoes, edits a line until
 * it is whole, ends input at ^D, interrupts at ^C, and puts a carriage return before each newline. termios(3).
 */
import type { TerminalSize } from '../../../lib/kube/exec-session.ts'

const INTERRUPT = 0x03
const END = 0x04
const BACKSPACE = 0x08
const NEWLINE = 0x0a
const RETURN = 0x0d
const KILL_LINE = 0x15
const ERASE = 0x7f
const PRINTABLE = 0x20

export class Terminal implements AsyncIterable<Buffer> {
  readonly #out: (bytes: Buffer) => void
  /** Whole lines; an empty one is an end of input, which the next reader may go on after. */
  readonly #lines: Buffer[] = []
  #line: number[] = []
  #isGone = false
  #wake: (() => void) | undefined
  #interrupt = new AbortController()
  #size: TerminalSize | undefined
  #sized: (() => void) | undefined

  constructor(out: (bytes: Buffer) => void) {
    this.#out = out
  }

  /** Aborted at the next ^C, with 130 for a reason: what a shell calls a program that SIGINT ended. */
  get interrupt(): AbortSignal {
    return this.#interrupt.signal
  }

  type(bytes: Buffer): void {
    for (const byte of bytes) this.#key(byte)
  }

  /** The typist is gone. */
  hangUp(): void {
    this.#isGone = true
    this.#wake?.()
    this.#sized?.()
  }

  resize(size: TerminalSize): void {
    this.#size = size
    this.#sized?.()
  }

  /** Undefined where the client went without telling one. */
  async size(): Promise<TerminalSize | undefined> {
    while (!this.#size && !this.#isGone) await new Promise<void>((resolve) => (this.#sized = resolve))
    return this.#size
  }

  write(bytes: Buffer): void {
    if (!bytes.includes(NEWLINE)) return this.#out(bytes)
    this.#out(Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1'))
  }

  /** A line; undefined at ^D, at the end of the terminal, and once the signal says so. */
  async read(signal?: AbortSignal): Promise<Buffer | undefined> {
    for (;;) {
      if (signal?.aborted) return undefined
      const line = this.#lines.shift()
      if (line) return line.length > 0 ? line : undefined
      if (this.#isGone) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async *until(signal?: AbortSignal): AsyncGenerator<Buffer> {
    for (let line = await this.read(signal); line; line = await this.read(signal)) yield line
  }

  [Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    return this.until()
  }

  #key(byte: number): void {
    if (byte === INTERRUPT) {
      this.#line = []
      this.#lines.length = 0
      this.#out(Buffer.from('^C\r\n'))
      const interrupted = this.#interrupt
      this.#interrupt = new AbortController()
      interrupted.abort(INTERRUPTED)
    } else if (byte === END) this.#flush()
    else if (byte === ERASE || byte === BACKSPACE) {
      if (this.#line.pop() !== undefined) this.#out(Buffer.from('\b \b'))
    } else if (byte === KILL_LINE) {
      this.#out(Buffer.from('\b \b'.repeat(this.#line.length)))
      this.#line = []
    } else if (byte === RETURN || byte === NEWLINE) {
      this.#out(Buffer.from('\r\n'))
      this.#line.push(NEWLINE)
      this.#flush()
    } else {
      this.#line.push(byte)
      this.#out(byte >= PRINTABLE || byte === 0x09 ? Buffer.from([byte]) : Buffer.from([0x5e, byte + 0x40]))
    }
  }

  #flush(): void {
    this.#lines.push(Buffer.from(this.#line))
    this.#line = []
    this.#wake?.()
  }
}

/** 128 and SIGINT. */
const INTERRUPTED = 130

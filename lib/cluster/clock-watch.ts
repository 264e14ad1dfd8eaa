/** Whether the machine's clock was set while a run went on: its certificates and leases are then of another time. */
import { MachineFault } from './machine-fault.ts'

/** Leases last 15 s and certificates are backdated 5 min: less than this nobody in a cluster minds. */
const TOLERATED_MS = 10_000

export class ClockWatch {
  readonly #offset: () => number
  readonly #start: number

  /** `wall` is the clock that certificates are read by, `steady` one that nobody can set; both in milliseconds. */
  constructor(wall: () => number = () => Date.now(), steady: () => number = () => performance.now()) {
    this.#offset = () => wall() - steady()
    this.#start = this.#offset()
  }

  /** @throws MachineFault `[clock_jumped]` */
  check(): void {
    const jumpMs = this.#offset() - this.#start
    if (Math.abs(jumpMs) <= TOLERATED_MS) return
    const way = jumpMs > 0 ? 'forward' : 'back'
    throw new MachineFault(
      `[clock_jumped] this machine's clock: went ${way} by ${Math.round(Math.abs(jumpMs) / 1000)} s in the middle of a ` +
        'run, whose certificates and leases are of the time before (run again once the clock is right)',
    )
  }
}

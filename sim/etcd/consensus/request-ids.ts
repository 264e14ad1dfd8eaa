/** Ids that no other member and no earlier start of this one gives out (pkg/idutil/id.go). */
const SUFFIX_BITS = 48n
const COUNT_BITS = 8n

export class RequestIds {
  readonly #prefix: bigint
  #suffix: bigint

  constructor(memberId: bigint, nowMs = Date.now()) {
    this.#prefix = BigInt.asUintN(16, memberId) << SUFFIX_BITS
    this.#suffix = BigInt.asUintN(40, BigInt(nowMs)) << COUNT_BITS
  }

  next(): bigint {
    this.#suffix += 1n
    return this.#prefix | BigInt.asUintN(48, this.#suffix)
  }
}

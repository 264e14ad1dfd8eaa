/** The first hexadecimal digits of pi behind its point, from which Blowfish takes its tables (Schneier, FSE 1993). */
const GUARD_BITS = 64n

/** 32 bits each, the first ones first. */
export function piWords(count: number): Int32Array {
  const bits = BigInt(count) * 32n
  const one = 1n << (bits + GUARD_BITS)
  // Machin: pi = 16 arctan(1/5) - 4 arctan(1/239).
  const fraction = (16n * arctanOfInverse(5n, one) - 4n * arctanOfInverse(239n, one) - 3n * one) >> GUARD_BITS
  const digits = Buffer.from(fraction.toString(16).padStart(count * 8, '0'), 'hex')
  return Int32Array.from({ length: count }, (_, index) => digits.readInt32BE(index * 4))
}

function arctanOfInverse(x: bigint, one: bigint): bigint {
  const square = x * x
  let power = one / x
  let sum = power
  for (let divisor = 3n; power > 0n; divisor += 4n) {
    power /= square
    sum -= power / divisor
    power /= square
    sum += power / (divisor + 2n)
  }
  return sum
}

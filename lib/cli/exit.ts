/** Exit codes of every command. */
export const EXIT = {
  /** Every row as expected, none vacuous or unclear. */
  good: 0,
  /** A row is not as expected, is vacuous or unclear, or differs from the baseline. */
  different: 1,
  /** Usage or harness fault: nothing was measured. */
  fault: 2,
} as const

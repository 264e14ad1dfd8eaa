import { realBinary, type RealBinary } from '../cluster/real-binary.ts'

/** The binaries that `--with` names; what is not as the posture has it goes to stderr. */
export function realBinaries(words: readonly string[] = []): Promise<RealBinary[]> {
  return Promise.all(words.map((word) => realBinary(word, (notice) => process.stderr.write(`${notice}\n`))))
}

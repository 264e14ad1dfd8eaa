/** What differs between two postures, as short lines for people. */
import { readManifest } from './manifest.ts'
import type { Posture } from './posture.ts'

/**
 * One line a difference: flags of a manifest by name, other files by line. `-` is in the first only, `+` in the second.
 *
 * ```
 * kube-apiserver (control-plane): - --anonymous-auth=false
 * pki.yaml:10: + sameAs: ca
 * ```
 */
export function comparePostures(one: Posture, other: Posture): string[] {
  const paths = [...new Set([...one.files.keys(), ...other.files.keys()])].toSorted()
  return paths.flatMap((path) => {
    const before = one.files.get(path)
    const after = other.files.get(path)
    if (before === after) return []
    if (before === undefined) return [`${path}: + the file`]
    if (after === undefined) return [`${path}: - the file`]
    return compareManifests(path, before, after) ?? compareLines(path, before, after)
  })
}

/** Undefined where something besides arguments and image differs, or it is no component's manifest. */
function compareManifests(path: string, before: string, after: string): string[] | undefined {
  if (!path.includes('/etc/kubernetes/manifests/')) return undefined
  const [from, to] = [readManifest(path, before), readManifest(path, after)]
  if (!from || !to) return undefined
  const place = `${to.component} (${path.split('/')[1]})`
  const lines = [
    ...from.args.filter((argument) => !to.args.includes(argument)).map((argument) => `${place}: - ${argument}`),
    ...to.args.filter((argument) => !from.args.includes(argument)).map((argument) => `${place}: + ${argument}`),
  ]
  if (from.image !== to.image) lines.push(`${place}: - image ${from.image}`, `${place}: + image ${to.image}`)
  return lines.length > 0 ? lines : undefined
}

function compareLines(path: string, before: string, after: string): string[] {
  const from = before.split('\n')
  const to = after.split('\n')
  return commonLines(from, to).flatMap(({ kind, line, number }) =>
    kind === ' ' ? [] : [`${path}:${number}: ${kind} ${line.trim()}`],
  )
}

interface Difference {
  kind: ' ' | '-' | '+'
  line: string
  /** In the text that holds the line. */
  number: number
}

/** The shortest edit by longest common subsequence; the files of a posture are a few hundred lines. */
function commonLines(from: readonly string[], to: readonly string[]): Difference[] {
  const lengths = Array.from({ length: from.length + 1 }, () => new Uint32Array(to.length + 1))
  for (let i = from.length - 1; i >= 0; i--) {
    for (let j = to.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        from[i] === to[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  const found: Difference[] = []
  let i = 0
  let j = 0
  while (i < from.length || j < to.length) {
    if (i < from.length && j < to.length && from[i] === to[j]) {
      found.push({ kind: ' ', line: to[j]!, number: j + 1 })
      i++
      j++
    } else if (i < from.length && (j === to.length || lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) {
      found.push({ kind: '-', line: from[i]!, number: ++i })
    } else {
      found.push({ kind: '+', line: to[j]!, number: ++j })
    }
  }
  return found
}

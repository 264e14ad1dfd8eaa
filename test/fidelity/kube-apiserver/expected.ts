/** Whether an answer is the recorded one. What differs from run to run is masked in the recording: `<uid>`, `<rv>`, …. */

const MASKS = [
  'uid',
  'time',
  'rv',
  'jwt',
  'jti',
  'sha256',
  'continue',
  'random',
  'port',
  'address',
  'age',
  'hash',
  'diff',
]
const MASKED = new RegExp(
  `<(?:${MASKS.join('|')}|[a-zA-Z]*Version|git[A-Za-z]*|buildDate|base64 PEM certificate)>`,
  'g',
)

/** `undefined` where both agree; else both, from the first place where they do not. */
export function expected(wanted: unknown, got: unknown): { expected: string; got: string } | undefined {
  const path = differing(wanted, got, '')
  if (path === undefined) return undefined
  const at = path.split('/').slice(1)
  const said = (value: unknown): string => `${path} ${JSON.stringify(at.reduce(member, value)) ?? 'nothing'}`
  return { expected: said(wanted), got: said(got) }
}

function member(value: unknown, key: string): unknown {
  return (value as Record<string, unknown> | undefined)?.[key.replaceAll('~1', '/')]
}

/** Where the two first differ, as a path of members; undefined where they do not. */
function differing(wanted: unknown, got: unknown, path: string): string | undefined {
  if (typeof wanted === 'string') return sameText(wanted, got) ? undefined : path
  if (typeof wanted !== 'object' || wanted === null) return wanted === got ? undefined : path
  if (typeof got !== 'object' || got === null || Array.isArray(wanted) !== Array.isArray(got)) return path
  for (const key of new Set([...Object.keys(wanted), ...Object.keys(got)])) {
    const below = differing(member(wanted, key), member(got, key), `${path}/${key.replaceAll('/', '~1')}`)
    if (below !== undefined) return below
  }
  return undefined
}

/** An age that the recording does not mask. */
const AGE = /^\d+[smhd]$/

function sameText(wanted: string, got: unknown): boolean {
  if (AGE.test(wanted)) return AGE.test(String(got))
  if (!MASKED.test(wanted)) return wanted === got
  MASKED.lastIndex = 0
  const pattern = wanted.split(MASKED).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${pattern.join('[^]*?')}$`).test(String(got))
}

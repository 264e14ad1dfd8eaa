/**
 * Reading headers as Go's net/http keeps them: names in any case, repeats kept in order. Node's own header object joins or
 * drops repeats, so everything about credentials reads the raw pairs.
 */
export type HeaderPair = readonly [name: string, value: string]

/** Every value of a header, in order. */
export function headerValues(headers: readonly HeaderPair[], name: string): string[] {
  const wanted = name.toLowerCase()
  return headers.filter(([each]) => each.toLowerCase() === wanted).map(([, value]) => value)
}

/** The first value of a header, empty where there is none, as Go's Header.Get. */
export function firstHeader(headers: readonly HeaderPair[], name: string): string {
  return headerValues(headers, name)[0] ?? ''
}

/** Node's rawHeaders list (name, value, name, value) as pairs. HTTP/2 pseudo headers are left out. */
export function headerPairs(rawHeaders: readonly string[]): HeaderPair[] {
  const pairs: HeaderPair[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!name.startsWith(':')) pairs.push([name, rawHeaders[at + 1] ?? ''])
  }
  return pairs
}

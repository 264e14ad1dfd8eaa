/** What a strict decoder says of fields that a configuration's kind does not have (json, DisallowUnknownFields). */
import { isMap, isSeq } from '../../lib/settings/yaml.ts'

/**
 * `unknown field "rules[0].nope"`, in the document's order. `known` names the members by where they stand: `` for the top,
 * `rules`, `rules[]`, `rules[].resources[]`; what it does not name is not looked into.
 */
export function unknownMembers(
  node: unknown,
  known: Readonly<Record<string, readonly string[]>>,
  schema = '',
  path = '',
): string[] {
  if (isSeq(node))
    return node.items.flatMap((item, index) => unknownMembers(item, known, `${schema}[]`, `${path}[${index}]`))
  const members = known[schema]
  if (!isMap(node) || !members) return []
  return node.items.flatMap(({ key, value }) => {
    const name = String(key)
    const below = path === '' ? name : `${path}.${name}`
    if (!members.includes(name)) return [`unknown field "${below}"`]
    return unknownMembers(value, known, schema === '' ? name : `${schema}.${name}`, below)
  })
}

/** --token-auth-file: apiserver/pkg/authentication/token/tokenfile/tokenfile.go. Read once, at start. */
import { timingSafeEqual } from 'node:crypto'
import type { User } from '../../../lib/kube/user.ts'

/**
 * CSV of token, name, uid and optional groups in one quoted column. Lines with an empty token are skipped, of a repeated token
 * the last counts. Throws for fewer than three columns.
 */
export function readStaticTokens(text: string, path: string): Map<string, User> {
  const tokens = new Map<string, User>()
  for (const record of csv(text)) {
    if (record.length < 3) {
      throw new Error(
        `token file ${JSON.stringify(path)} must have at least 3 columns (token, user name, user uid), found ${record.length}`,
      )
    }
    const [token = '', username = '', uid = '', groups] = record
    if (token === '') continue
    const user: User = { username, groups: groups ? groups.split(',') : [] }
    if (uid !== '') user.uid = uid
    tokens.set(token, user)
  }
  return tokens
}

/** The user of a token, compared without a clock an attacker could read. */
export function userOfStaticToken(tokens: ReadonlyMap<string, User>, token: string): User | undefined {
  const asked = Buffer.from(token)
  let found: User | undefined
  for (const [each, user] of tokens) {
    const known = Buffer.from(each)
    if (known.length === asked.length && timingSafeEqual(known, asked)) found = user
  }
  return found
}

/** Go's encoding/csv with FieldsPerRecord -1: quoted fields may hold commas and newlines, `""` is a quote. */
function csv(text: string): string[][] {
  const records: string[][] = []
  for (const line of text.match(/(?:"(?:[^"]|"")*"|[^"\n])+/g) ?? []) {
    if (line.trim() === '') continue
    const fields = line.replace(/\r$/, '').match(/(?<=^|,)(?:"(?:[^"]|"")*"|[^,]*)/g) ?? []
    records.push(fields.map((field) => (field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field)))
  }
  return records
}

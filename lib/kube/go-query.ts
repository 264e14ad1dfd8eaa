/** Go's url.QueryEscape: everything but letters, digits and `-_.~` is escaped, a space becomes `+`. */
export function goQueryEscape(text: string): string {
  const escaped = encodeURIComponent(text).replaceAll('%20', '+')
  return escaped.replace(/[!*'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

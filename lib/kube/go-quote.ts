/** Go's %q, which every text of Kubernetes quotes names with. */
import { goQuote } from '../x509/go-quote.ts'

export { goQuote }

/** `%q` of a string slice: `["a" "b"]`. */
export function goQuoteAll(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(' ')}]`
}

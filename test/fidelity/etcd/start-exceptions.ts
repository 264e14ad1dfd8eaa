/** Rows of start.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'both-schemes-one-port': 'a port of ours speaks TLS or does not',
}

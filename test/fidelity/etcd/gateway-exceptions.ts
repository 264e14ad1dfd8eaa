/** Rows of gateway.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'gw-user-grant': 'the user was added by a row that is not among these',
}

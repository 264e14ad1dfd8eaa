/** Rows of gateway.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {}

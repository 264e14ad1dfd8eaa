/** Rows of cluster.json that our members do not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {}

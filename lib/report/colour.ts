/** Colour for a terminal that wants it (https://no-color.org: any non-empty NO_COLOR turns it off). */
export interface Palette {
  good: (text: string) => string
  bad: (text: string) => string
  warn: (text: string) => string
  dim: (text: string) => string
  bold: (text: string) => string
}

export function palette(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Palette {
  const on = (env['FORCE_COLOR'] ?? '') !== '' || (stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb')
  const paint = (code: number) => (text: string) => (on ? `\u001b[${code}m${text}\u001b[0m` : text)
  return { good: paint(32), bad: paint(31), warn: paint(33), dim: paint(2), bold: paint(1) }
}

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of an attack as its file draws it: the doc comment that the (compiled) file begins with. Empty without one. */
export function drawingOf(url: string): string {
  const [, comment = ''] = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(fileURLToPath(url), 'utf8')) ?? []
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
  return lines.join('\n').replace(/^\n+|\n+$/g, '')
}

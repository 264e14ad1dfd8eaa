import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * The path of an attack as its file draws it: the doc comment that the file begins with. Empty without one. It is read
 * from the source that the map beside the compiled file holds: TypeScript drops a comment before a type-only import.
 */
export function drawingOf(url: string): string {
  const { sourcesContent } = JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, 'utf8')) as {
    sourcesContent?: string[]
  }
  const [, comment = ''] = /^\/\*\*([\s\S]*?)\*\//.exec(sourcesContent?.[0] ?? '') ?? []
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
  return lines.join('\n').replace(/^\n+|\n+$/g, '')
}

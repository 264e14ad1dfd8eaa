import { hkdfSync } from 'node:crypto'
import { isScalar, parseDocument, visit } from '../settings/yaml.ts'

/**
 * An EncryptionConfiguration with keys of this run's own: as with certificates, a posture gives the shape and never the
 * keys. Each distinct key becomes another of the same length, the same on every host of the run; what is not base64 of a
 * length that some provider takes stays, so that the component refuses it as the real one does. Other texts stay.
 */
export function freshEncryptionKeys(text: string, seed: Buffer): string {
  if (!/^kind:\s*EncryptionConfiguration\s*$/m.test(text)) return text
  const found: { start: number; end: number; value: string }[] = []
  visit(parseDocument(text), {
    Pair(_, { key, value }) {
      if (!isScalar(key) || key.value !== 'secret' || !isScalar(value) || !value.range) return
      found.push({ start: value.range[0], end: value.range[1], value: String(value.value) })
    },
  })
  return found.toReversed().reduce((rest, { start, end, value }) => {
    const bytes = Buffer.from(value, 'base64')
    if (bytes.toString('base64') !== value || ![16, 24, 32].includes(bytes.length)) return rest
    const fresh = Buffer.from(hkdfSync('sha256', seed, bytes, 'encryption at rest', bytes.length)).toString('base64')
    return rest.slice(0, start) + fresh + rest.slice(end)
  }, text)
}

/** The certificate requests of credentials.json, made anew: what `{{csr:<name>}}` in a recorded body stands for. */
import { writeRequest } from './certificate-writer.ts'
import type { RequestProperties } from './certificate-writer.ts'
import { recorded } from './recorded-world.ts'

interface RequestRow extends RequestProperties {
  kind: string
  name: string
}

const made = new Map<string, string>()

/** base64 of the PEM. */
export function recordedRequest(name: string): string {
  const known = made.get(name)
  if (known !== undefined) return known
  const row = recorded<RequestRow>('credentials.json').find(
    (each) => each.kind === 'certificate request' && each.name === `{{csr:${name}}}`,
  )
  if (!row) throw new Error(`[credential_unknown] ${name}: no such certificate request`)
  const text = Buffer.from(writeRequest(row)).toString('base64')
  made.set(name, text)
  return text
}

export function withRequests(text: string): string {
  return text.replace(/\{\{csr:([^}]*)\}\}/g, (_, name: string) => recordedRequest(name))
}

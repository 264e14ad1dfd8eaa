/** What a process's memory gives away to whoever can read it, as strings(1) would find it. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { KeyPair } from '../tls/listen.ts'

/** No key or certificate of a cluster is longer in PEM. */
const LONGEST_PEM_BYTES = 16 * 1024
const BEGIN = Buffer.from('-----BEGIN ')

/** Every private key in PEM with the certificate beside it that is its own. */
export function keyPairsIn(image: Buffer): KeyPair[] {
  const blocks = pemIn(image)
  const certificates = blocks.flatMap((pem) => parsed(pem, () => new X509Certificate(pem)))
  const keys = blocks.flatMap((pem) => parsed(pem, () => createPrivateKey(pem)))
  return keys.flatMap(({ pem: key, value }: { pem: string; value: KeyObject }) =>
    certificates.filter((each) => each.value.checkPrivateKey(value)).map(({ pem: cert }) => ({ cert, key })),
  )
}

/** Each distinct block once, leaf by leaf. */
function pemIn(image: Buffer): string[] {
  const found = new Set<string>()
  for (let at = image.indexOf(BEGIN); at !== -1; at = image.indexOf(BEGIN, at + 1)) {
    const text = image.toString('latin1', at, at + LONGEST_PEM_BYTES)
    const block = /^-----BEGIN ([A-Z0-9 ]+)-----\n[A-Za-z0-9+/=\n]+-----END \1-----/.exec(text)
    if (block) found.add(`${block[0]}\n`)
  }
  return [...found]
}

function parsed<T>(pem: string, parse: () => T): { pem: string; value: T }[] {
  try {
    return [{ pem, value: parse() }]
  } catch {
    return []
  }
}

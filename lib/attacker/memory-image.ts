/** What a process's memory gives away to whoever can read it, as strings(1) would find it. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type { KeyPair } from '../tls/listen.ts'

/** No key or certificate of a cluster is longer in PEM. */
const LONGEST_PEM_BYTES = 16 * 1024
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
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

/**
 * Every UUID of random bits (RFC 9562 section 5.4), each once. Last come those that also stand where a format names them, as objects'
 * and requests' do: in a string of JSON, behind their length in protobuf, in a header.
 */
export function randomUuidsIn(image: Buffer): string[] {
  const found = new Map<string, boolean>()
  for (let at = image.indexOf('-4'); at !== -1; at = image.indexOf('-4', at + 1)) {
    const uuid = image.toString('latin1', at - 13, at + 23)
    if (!UUID.test(uuid)) continue
    const isNamed = /["$ ]/.test(image.toString('latin1', at - 14, at - 13))
    found.set(uuid, found.get(uuid) === true || isNamed)
  }
  return [...found].sort(([, a], [, b]) => Number(a) - Number(b)).map(([uuid]) => uuid)
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

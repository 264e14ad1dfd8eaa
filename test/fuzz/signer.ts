import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type DerNode, decodeAll, node, oid, raw, sequence } from './der-tree.ts'
import type { Random } from './random.ts'

/** A key with what it may sign as. Keys are fresh in every run; verdicts do not hang on their bytes. */
export interface Signer {
  spki: DerNode
  algorithms: SigningAlgorithm[]
  privateKey: KeyObject
}

interface SigningAlgorithm {
  identifier: DerNode
  sign: (message: Buffer, key: KeyObject) => Buffer
}

const NULL = node(0x05, Buffer.alloc(0))

function ecdsa(hash: string, name: string): SigningAlgorithm {
  return { identifier: sequence(oid(name)), sign: (message, key) => sign(hash, message, key) }
}

function rsa(hash: string, name: string): SigningAlgorithm {
  return { identifier: sequence(oid(name), NULL), sign: (message, key) => sign(hash, message, key) }
}

const HASH_OIDS: Record<string, string> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

function pss(hash: string, saltLength: number, maskHash = hash): SigningAlgorithm {
  const digest = sequence(oid(HASH_OIDS[hash] ?? ''), NULL)
  const mask = sequence(oid('1.2.840.113549.1.1.8'), sequence(oid(HASH_OIDS[maskHash] ?? '')))
  const salt = raw(0x02, saltLength.toString(16).padStart(2, '0'))
  const parameters = sequence(node(0xa0, digest), node(0xa1, mask), node(0xa2, salt))
  return {
    identifier: sequence(oid('1.2.840.113549.1.1.10'), parameters),
    sign: (message, key) => sign(hash, message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  }
}

const ED25519: SigningAlgorithm[] = [
  { identifier: sequence(oid('1.3.101.112')), sign: (message, key) => sign(null, message, key) },
]

const ECDSA = [
  ecdsa('sha256', '1.2.840.10045.4.3.2'),
  ecdsa('sha384', '1.2.840.10045.4.3.3'),
  ecdsa('sha512', '1.2.840.10045.4.3.4'),
  ecdsa('sha1', '1.2.840.10045.4.1'),
]

const RSA = [
  rsa('sha256', '1.2.840.113549.1.1.11'),
  rsa('sha256', '1.2.840.113549.1.1.11'),
  rsa('sha384', '1.2.840.113549.1.1.12'),
  rsa('sha1', '1.2.840.113549.1.1.5'),
  pss('sha256', 32),
  pss('sha384', 48),
  pss('sha256', 20),
  pss('sha256', 32, 'sha384'),
]

function signer(
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
  algorithms: SigningAlgorithm[],
): Signer {
  const spki = decodeAll(publicKey.export({ type: 'spki', format: 'der' }))?.[0]
  if (spki === undefined) throw new Error('[fuzz_spki] public key: does not decode as DER')
  return { spki, algorithms, privateKey }
}

/** Ed25519 and P-256 most of all: they are fastest. */
export function makeSigners(): Signer[] {
  const edwards = Array.from({ length: 8 }, () => signer(generateKeyPairSync('ed25519'), ED25519))
  const curves = ['P-256', 'P-256', 'P-256', 'P-256', 'P-384', 'P-521', 'P-224'].map((namedCurve) =>
    signer(generateKeyPairSync('ec', { namedCurve }), ECDSA),
  )
  const rsas = [768, 1024, 1031, 2048].map((modulusLength) =>
    signer(generateKeyPairSync('rsa', { modulusLength }), modulusLength > 800 ? RSA : RSA.slice(0, 1)),
  )
  return [...edwards, ...curves, ...rsas]
}

/** A certificate around a TBSCertificate; the algorithm written in it should be the one that signs. */
export function signedCertificate(
  tbs: Buffer,
  { algorithm, privateKey }: { algorithm: SigningAlgorithm; privateKey: KeyObject },
): DerNode {
  const body = decodeAll(tbs)?.[0] ?? node(0x30, tbs)
  const signature = node(0x03, Buffer.concat([Buffer.from([0]), algorithm.sign(tbs, privateKey)]))
  return { tag: 0x30, content: [body, algorithm.identifier, signature] }
}

export function pickAlgorithm(random: Random, { algorithms }: Signer): SigningAlgorithm {
  return random.chance(0.7) ? (algorithms[0] ?? random.pick(algorithms)) : random.pick(algorithms)
}

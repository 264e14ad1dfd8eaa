import { refuse } from './errors.ts'

export type CurveName = 'P-224' | 'P-256' | 'P-384' | 'P-521'

interface Curve {
  name: CurveName
  /** y² = x³ - 3x + b modulo p (FIPS 186-4 appendix D.1.2). */
  p: bigint
  b: bigint
  /** SubjectPublicKeyInfo up to the point's own octets. */
  prefix: Buffer
}

const CURVES = new Map<string, Curve>([
  [
    '1.3.132.0.33',
    {
      name: 'P-224',
      p: 2n ** 224n - 2n ** 96n + 1n,
      b: 0xb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4n,
      prefix: Buffer.from('304e301006072a8648ce3d020106052b81040021033a00', 'hex'),
    },
  ],
  [
    '1.2.840.10045.3.1.7',
    {
      name: 'P-256',
      p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
      b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
      prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
    },
  ],
  [
    '1.3.132.0.34',
    {
      name: 'P-384',
      p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
      b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
      prefix: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'),
    },
  ],
  [
    '1.3.132.0.35',
    {
      name: 'P-521',
      p: 2n ** 521n - 1n,
      b: 0x051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
      prefix: Buffer.from('30819b301006072a8648ce3d020106052b8104002303818600', 'hex'),
    },
  ],
])

export function curveFromOid(oid: string): Curve | undefined {
  return CURVES.get(oid)
}

/** Refuses what Go's ecdsa.ParseUncompressedPublicKey refuses, with its text: only reduced points on the curve are keys. */
export function requireUncompressedPoint(curve: Curve, point: Buffer): void {
  if (point[0] !== 4) refuse('ecdsa: invalid uncompressed public key')
  const octets = Math.ceil(curve.p.toString(2).length / 8)
  const name = curve.name.replace('-', '')
  if (point.length !== 1 + 2 * octets) refuse(`invalid ${name} point encoding`)
  const x = coordinate(point.subarray(1, 1 + octets))
  const y = coordinate(point.subarray(1 + octets))
  // P-256 is assembler in Go, with a text of its own.
  if (x >= curve.p || y >= curve.p) refuse(`invalid ${name}${name === 'P256' ? ' element' : 'Element'} encoding`)
  if ((y * y - (x * x * x - 3n * x + curve.b)) % curve.p !== 0n) refuse(`${name} point not on curve`)
}

const coordinate = (octets: Buffer): bigint => BigInt(`0x${octets.toString('hex')}`)

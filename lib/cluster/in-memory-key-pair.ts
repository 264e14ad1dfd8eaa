/**
 * The serving certificate of a component that was given none: made at start, kept in memory, for localhost and 127.0.0.1
 * (apiserver/pkg/server/options/serving.go MaybeDefaultWithSelfSignedCerts). Written by hand, as a component does not load
 * an issuer's library.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { KeyPair } from '../tls/listen.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

export function inMemoryKeyPair(commonName: string, addresses: readonly string[]): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
  const name = sequence(tag(0x31, sequence(oid('550403'), tag(0x0c, Buffer.from(commonName)))))
  const altNames = [tag(0x82, Buffer.from('localhost')), ...addresses.filter(isIPv4).map(ipName)]
  const toBeSigned = sequence(
    tag(0xa0, integer(2)),
    tag(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(Date.now() - HOUR_MS), utcTime(Date.now() + YEAR_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tag(
      0xa3,
      sequence(
        // digitalSignature, keyEncipherment
        extension('551d0f', tag(0x03, Buffer.from('05a0', 'hex')), true),
        extension('551d25', sequence(oid('2b06010505070301'))),
        extension('551d11', sequence(...altNames)),
      ),
    ),
  )
  const signature = tag(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, privateKey)]))
  const base64 = sequence(toBeSigned, ecdsaWithSha256, signature).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return {
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  }
}

function tag(number: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([number, ...head]), content])
}

function sequence(...contents: Buffer[]): Buffer {
  return tag(0x30, ...contents)
}

function oid(hex: string): Buffer {
  return tag(0x06, Buffer.from(hex, 'hex'))
}

function integer(value: number): Buffer {
  return tag(0x02, Buffer.from([value]))
}

function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return tag(0x17, Buffer.from(digits.slice(2)))
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [tag(0x01, Buffer.from([0xff]))] : []), tag(0x04, value))
}

function ipName(address: string): Buffer {
  return tag(0x87, Buffer.from(address.split('.').map(Number)))
}

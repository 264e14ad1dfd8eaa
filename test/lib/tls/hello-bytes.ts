/** ClientHellos by hand, as records, with any part of them other than it should be. */

export interface HelloParts {
  version: number
  suites: readonly number[]
  compression: readonly number[]
  /** Type and data; in this order. */
  extensions: readonly (readonly [number, Buffer])[]
}

export const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
export const uint16s = (values: readonly number[]): Buffer => Buffer.concat(values.map(uint16))
/** With its length before it, in so many bytes. */
export const vector = (width: 1 | 2, content: Buffer): Buffer =>
  Buffer.concat([width === 1 ? Buffer.from([content.length]) : uint16(content.length), content])

export const GROUPS = (...groups: number[]) => [10, vector(2, uint16s(groups))] as const
export const SIGNATURES = (...schemes: number[]) => [13, vector(2, uint16s(schemes))] as const
export const VERSIONS_OFFERED = (...versions: number[]) => [43, vector(1, uint16s(versions))] as const
export const POINTS = (...formats: number[]) => [11, vector(1, Buffer.from(formats))] as const
export const ALPN = (...names: string[]) =>
  [16, vector(2, Buffer.concat(names.map((name) => vector(1, Buffer.from(name, 'latin1')))))] as const
export const SNI = (name: string) =>
  [0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name))]))] as const

/** A hello that Go's server goes on with, at TLS 1.2 or 1.3, whatever its key. */
const GOOD: HelloParts = {
  version: 0x0303,
  suites: [0x1301, 0xc02b, 0xc02f],
  compression: [0],
  extensions: [
    VERSIONS_OFFERED(0x0304, 0x0303),
    GROUPS(29, 23),
    SIGNATURES(0x0403, 0x0804, 0x0401),
    [51, vector(2, Buffer.concat([uint16(29), vector(2, Buffer.alloc(32, 9))]))],
  ],
}

/** Extensions are added, or stand in the place of those of the same type. */
export function helloBody(parts: Partial<HelloParts> = {}): Buffer {
  const { version, suites, compression } = { ...GOOD, ...parts }
  const given = parts.extensions ?? []
  const extensions = [...GOOD.extensions.filter(([type]) => !given.some(([other]) => other === type)), ...given]
  return Buffer.concat([
    uint16(version),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(0)),
    vector(2, uint16s(suites)),
    vector(1, Buffer.from(compression)),
    vector(2, Buffer.concat(extensions.map(([type, data]) => Buffer.concat([uint16(type), vector(2, data)])))),
  ])
}

export function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, body.length >> 16]), uint16(body.length & 0xffff), body])
}

export function record(type: number, data: Buffer, version = 0x0301): Buffer {
  return Buffer.concat([Buffer.from([type]), uint16(version), uint16(data.length), data])
}

export function helloRecord(parts: Partial<HelloParts> = {}): Buffer {
  return record(22, message(1, helloBody(parts)))
}

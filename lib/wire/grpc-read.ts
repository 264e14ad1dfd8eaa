/** The messages of one gRPC call's direction, unpacked from their length prefixes (gRPC over HTTP2, `Length-Prefixed-Message`). */

const PREFIX_BYTES = 5

export interface GrpcMessage {
  compressed: boolean
  message: Buffer
}

/** Undefined where the bytes do not begin as gRPC does. A last message that is cut short is given as far as it goes. */
export function grpcMessages(body: Buffer): GrpcMessage[] | undefined {
  const messages: GrpcMessage[] = []
  for (let at = 0; at + PREFIX_BYTES <= body.length;) {
    const flag = body[at] ?? 0
    if (flag > 1) return undefined
    const end = at + PREFIX_BYTES + body.readUInt32BE(at + 1)
    messages.push({ compressed: flag === 1, message: body.subarray(at + PREFIX_BYTES, end) })
    at = end
  }
  return messages.length > 0 ? messages : undefined
}

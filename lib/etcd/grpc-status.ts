/** gRPC status codes and the error that carries one (github.com/grpc/grpc/blob/master/doc/statuscodes.md). */
export const GRPC_CODES = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const

export type GrpcCode = keyof typeof GRPC_CODES

const NAMES = Object.keys(GRPC_CODES) as GrpcCode[]

export function grpcCodeName(number: number): GrpcCode {
  return NAMES[number] ?? 'Unknown'
}

export class GrpcError extends Error {
  override readonly name = 'GrpcError'
  readonly code: GrpcCode

  constructor(code: GrpcCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** `grpc-message` is percent-encoded outside printable ASCII, and `%` itself. */
export function encodeGrpcMessage(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character))
}

export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The HTTP status of each gRPC code (grpc-gateway runtime/errors.go, HTTPStatusFromCode). */
import type { GrpcCode } from '../../../lib/etcd/grpc-status.ts'

export const HTTP_STATUS: Readonly<Record<GrpcCode, number>> = {
  OK: 200,
  Canceled: 499,
  Unknown: 500,
  InvalidArgument: 400,
  DeadlineExceeded: 504,
  NotFound: 404,
  AlreadyExists: 409,
  PermissionDenied: 403,
  ResourceExhausted: 429,
  FailedPrecondition: 400,
  Aborted: 409,
  OutOfRange: 400,
  Unimplemented: 501,
  Internal: 500,
  Unavailable: 503,
  DataLoss: 500,
  Unauthenticated: 401,
}

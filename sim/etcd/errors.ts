/** etcd's refusals, with its texts (api/v3rpc/rpctypes/error.go). */
import { GrpcError } from '../../lib/etcd/grpc-status.ts'

export const ERRORS = {
  emptyKey: () => new GrpcError('InvalidArgument', 'etcdserver: key is not provided'),
  keyNotFound: () => new GrpcError('InvalidArgument', 'etcdserver: key not found'),
  valueProvided: () => new GrpcError('InvalidArgument', 'etcdserver: value is provided'),
  leaseProvided: () => new GrpcError('InvalidArgument', 'etcdserver: lease is provided'),
  tooManyOps: () => new GrpcError('InvalidArgument', 'etcdserver: too many operations in txn request'),
  duplicateKey: () => new GrpcError('InvalidArgument', 'etcdserver: duplicate key given in txn request'),
  invalidSort: () => new GrpcError('InvalidArgument', 'etcdserver: invalid sort option'),
  compacted: () => new GrpcError('OutOfRange', 'etcdserver: mvcc: required revision has been compacted'),
  futureRevision: () => new GrpcError('OutOfRange', 'etcdserver: mvcc: required revision is a future revision'),
  leaseNotFound: () => new GrpcError('NotFound', 'etcdserver: requested lease not found'),
  leaseExists: () => new GrpcError('FailedPrecondition', 'etcdserver: lease already exists'),
  leaseTtlTooLarge: () => new GrpcError('OutOfRange', 'etcdserver: too large lease TTL'),
  requestTooLarge: () => new GrpcError('InvalidArgument', 'etcdserver: request is too large'),
} as const

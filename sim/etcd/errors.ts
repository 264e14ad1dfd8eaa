/** etcd's refusals, with its texts (api/v3rpc/rpctypes/error.go). */
import { GrpcError, type GrpcCode } from '../../lib/etcd/grpc-status.ts'

const refusal =
  (code: GrpcCode, text: string): (() => GrpcError) =>
  () =>
    new GrpcError(code, text)

export const ERRORS = {
  emptyKey: refusal('InvalidArgument', 'etcdserver: key is not provided'),
  keyNotFound: refusal('InvalidArgument', 'etcdserver: key not found'),
  valueProvided: refusal('InvalidArgument', 'etcdserver: value is provided'),
  leaseProvided: refusal('InvalidArgument', 'etcdserver: lease is provided'),
  tooManyOps: refusal('InvalidArgument', 'etcdserver: too many operations in txn request'),
  duplicateKey: refusal('InvalidArgument', 'etcdserver: duplicate key given in txn request'),
  invalidSort: refusal('InvalidArgument', 'etcdserver: invalid sort option'),
  compacted: refusal('OutOfRange', 'etcdserver: mvcc: required revision has been compacted'),
  futureRevision: refusal('OutOfRange', 'etcdserver: mvcc: required revision is a future revision'),
  noSpace: refusal('ResourceExhausted', 'etcdserver: mvcc: database space exceeded'),
  requestTooLarge: refusal('InvalidArgument', 'etcdserver: request is too large'),

  leaseNotFound: refusal('NotFound', 'etcdserver: requested lease not found'),
  leaseExists: refusal('FailedPrecondition', 'etcdserver: lease already exists'),
  leaseTtlTooLarge: refusal('OutOfRange', 'etcdserver: too large lease TTL'),

  memberExists: refusal('FailedPrecondition', 'etcdserver: member ID already exist'),
  peerUrlExists: refusal('FailedPrecondition', 'etcdserver: Peer URLs already exists'),
  /** The error behind it is not the one that is looked up, so its code is lost (v3rpc/util.go, toGRPCErrorMap). */
  notEnoughStarted: refusal('Unknown', 'etcdserver: re-configuration failed due to not enough started members'),
  badMemberUrls: refusal('InvalidArgument', 'etcdserver: given member URLs are invalid'),
  memberNotFound: refusal('NotFound', 'etcdserver: member not found'),
  memberNotLearner: refusal('FailedPrecondition', 'etcdserver: can only promote a learner member'),
  learnerNotReady: refusal(
    'FailedPrecondition',
    'etcdserver: can only promote a learner member which is in sync with leader',
  ),
  tooManyLearners: refusal('FailedPrecondition', 'etcdserver: too many learner members in cluster'),

  rootUserMissing: refusal('FailedPrecondition', 'etcdserver: root user does not exist'),
  rootRoleMissing: refusal('FailedPrecondition', 'etcdserver: root user does not have root role'),
  userExists: refusal('FailedPrecondition', 'etcdserver: user name already exists'),
  userEmpty: refusal('InvalidArgument', 'etcdserver: user name is empty'),
  userNotFound: refusal('FailedPrecondition', 'etcdserver: user name not found'),
  roleExists: refusal('FailedPrecondition', 'etcdserver: role name already exists'),
  roleNotFound: refusal('FailedPrecondition', 'etcdserver: role name not found'),
  roleEmpty: refusal('InvalidArgument', 'etcdserver: role name is empty'),
  authFailed: refusal('InvalidArgument', 'etcdserver: authentication failed, invalid user ID or password'),
  /** Unknown for the same reason as `notEnoughStarted`. */
  noPasswordUser: refusal('Unknown', 'auth: authentication failed, password was given for no password user'),
  permissionNotGiven: refusal('InvalidArgument', 'etcdserver: permission not given'),
  permissionDenied: refusal('PermissionDenied', 'etcdserver: permission denied'),
  roleNotGranted: refusal('FailedPrecondition', 'etcdserver: role is not granted to the user'),
  permissionNotGranted: refusal('FailedPrecondition', 'etcdserver: permission is not granted to the role'),
  authNotEnabled: refusal('FailedPrecondition', 'etcdserver: authentication is not enabled'),
  invalidAuthToken: refusal('Unauthenticated', 'etcdserver: invalid auth token'),
  invalidAuthManagement: refusal('InvalidArgument', 'etcdserver: invalid auth management'),
  authOldRevision: refusal('InvalidArgument', 'etcdserver: revision of auth store is old'),

  unhealthy: refusal('Unavailable', 'etcdserver: unhealthy cluster'),
  noLeader: refusal('Unavailable', 'etcdserver: no leader'),
  leaderChanged: refusal('Unavailable', 'etcdserver: leader changed'),
  notLeader: refusal('FailedPrecondition', 'etcdserver: not leader'),
  stopped: refusal('Unavailable', 'etcdserver: server stopped'),
  timeout: refusal('Unavailable', 'etcdserver: request timed out'),
  // etcd's table of codes lacks it.
  timeoutLeaderTransfer: refusal('Unknown', 'etcdserver: request timed out, leader transfer took too long'),
  corrupt: refusal('DataLoss', 'etcdserver: corrupt cluster'),
  badLeaderTransferee: refusal('FailedPrecondition', 'etcdserver: bad leader transferee'),
  wrongDowngradeVersion: refusal('InvalidArgument', 'etcdserver: wrong downgrade target version format'),
  invalidDowngradeTarget: refusal('InvalidArgument', 'etcdserver: invalid downgrade target version'),
  downgradeInProcess: refusal('FailedPrecondition', 'etcdserver: cluster has a downgrade job in progress'),
} as const

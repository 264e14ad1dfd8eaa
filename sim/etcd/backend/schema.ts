/** Where in the db what lies: etcd 3.6's buckets and keys (server/storage/schema/bucket.go). */
export const BUCKETS = [
  'alarm',
  'auth',
  'authRoles',
  'authUsers',
  'cluster',
  'key',
  'lease',
  'members',
  'members_removed',
  'meta',
] as const

export type BucketName = (typeof BUCKETS)[number]

export const META = {
  consistentIndex: 'consistent_index',
  term: 'term',
  confState: 'confState',
  scheduledCompaction: 'scheduledCompactRev',
  finishedCompaction: 'finishedCompactRev',
  /** From 3.6 on: the version before refuses a file that has it. */
  storageVersion: 'storageVersion',
} as const

export const AUTH = { enabled: 'authEnabled', revision: 'authRevision' } as const

export const CLUSTER = { version: 'clusterVersion', downgrade: 'downgrade' } as const

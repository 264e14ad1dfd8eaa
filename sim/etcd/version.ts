/** What this member says it is. */
export const ETCD_VERSION = '3.6.16'

/** Of the cluster whose members are all of this version. */
export const CLUSTER_VERSION = '3.6.0'

export const STORAGE_VERSION = '3.6.0'

/**
 * What an HTTP/2 session may hold before it refuses new streams with ENHANCE_YOUR_CALM, in MB. Node's 10 MB are less than
 * one answer of etcd or kube-apiserver may be (a watch's events of many deleted objects, a list); Go knows no such bound.
 */
export const MAX_SESSION_MEMORY_MB = 4096

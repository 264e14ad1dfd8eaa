/** Binding, ClusterRole, subjects. Those of the controllers follow from their names. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go. */
export const BOOTSTRAP_CLUSTER_ROLE_BINDINGS = `
cluster-admin cluster-admin Group:system:masters
system:basic-user system:basic-user Group:system:authenticated
system:discovery system:discovery Group:system:authenticated
system:kube-controller-manager system:kube-controller-manager User:system:kube-controller-manager
system:kube-dns system:kube-dns ServiceAccount:kube-system/kube-dns
system:kube-scheduler system:kube-scheduler User:system:kube-scheduler
system:monitoring system:monitoring Group:system:monitoring
system:node system:node
system:node-proxier system:node-proxier User:system:kube-proxy
system:public-info-viewer system:public-info-viewer Group:system:authenticated Group:system:unauthenticated
system:service-account-issuer-discovery system:service-account-issuer-discovery Group:system:serviceaccounts
system:volume-scheduler system:volume-scheduler User:system:kube-scheduler
`

/** The default Roles. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go. */
export const BOOTSTRAP_ROLES = `
kube-public/system:controller:bootstrap-signer
  get,list,watch - configmaps
  update - configmaps cluster-info
  create,patch,update -,events.k8s.io events
kube-system/extension-apiserver-authentication-reader
  get,list,watch - configmaps extension-apiserver-authentication
kube-system/system::leader-locking-kube-controller-manager
  create,get,list,update,watch coordination.k8s.io leases
  create,get,list,update,watch coordination.k8s.io leasecandidates
kube-system/system::leader-locking-kube-scheduler
  create,get,list,update,watch coordination.k8s.io leases
  create,get,list,update,watch coordination.k8s.io leasecandidates
kube-system/system:controller:bootstrap-signer
  get,list,watch - secrets
kube-system/system:controller:cloud-provider
  create,get,list,watch - configmaps
kube-system/system:controller:token-cleaner
  delete,get,list,watch - secrets
  create,patch,update -,events.k8s.io events
`

/** Binding, Role, subjects. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go. */
export const BOOTSTRAP_ROLE_BINDINGS = `
kube-public/system:controller:bootstrap-signer system:controller:bootstrap-signer ServiceAccount:kube-system/bootstrap-signer
kube-system/system::extension-apiserver-authentication-reader extension-apiserver-authentication-reader User:system:kube-controller-manager User:system:kube-scheduler
kube-system/system::leader-locking-kube-controller-manager system::leader-locking-kube-controller-manager User:system:kube-controller-manager ServiceAccount:kube-system/kube-controller-manager ServiceAccount:kube-system/leader-election-controller
kube-system/system::leader-locking-kube-scheduler system::leader-locking-kube-scheduler User:system:kube-scheduler ServiceAccount:kube-system/kube-scheduler
kube-system/system:controller:bootstrap-signer system:controller:bootstrap-signer ServiceAccount:kube-system/bootstrap-signer
kube-system/system:controller:cloud-provider system:controller:cloud-provider ServiceAccount:kube-system/cloud-provider
kube-system/system:controller:token-cleaner system:controller:token-cleaner ServiceAccount:kube-system/token-cleaner
`

/** Messages of the other groups of k8s.io/api that are served, as message-fields.ts reads them: types.go of v0.36.3. */
export const API_GROUPS = `
Role: metadata 1 ObjectMeta, rules 2! []PolicyRule
PolicyRule: verbs 1! [], apiGroups 2 [], resources 3 [], resourceNames 4 [], nonResourceURLs 5 []
RoleBinding: metadata 1 ObjectMeta, subjects 2 []Subject, roleRef 3! RoleRef
Subject: kind 1!, apiGroup 2, name 3!, namespace 4
RoleRef: apiGroup 1!, kind 2!, name 3!
ClusterRole: metadata 1 ObjectMeta, rules 2! []PolicyRule, aggregationRule 3* AggregationRule
AggregationRule: clusterRoleSelectors 1 []LabelSelector
ClusterRoleBinding: metadata 1 ObjectMeta, subjects 2 []Subject, roleRef 3! RoleRef
CertificateSigningRequest: metadata 1 ObjectMeta, spec 2! CertificateSigningRequestSpec,
  status 3 CertificateSigningRequestStatus
CertificateSigningRequestSpec: request 1! bytes, signerName 7!, expirationSeconds 8* int, usages 5 [], username 2,
  uid 3, groups 4 [], extra 6 {}ExtraValue
CertificateSigningRequestStatus: conditions 1 []CertificateSigningRequestCondition, certificate 2 bytes
CertificateSigningRequestCondition: type 1!, status 6!, reason 2, message 3, lastUpdateTime 4 Time,
  lastTransitionTime 5 Time
Lease: metadata 1 ObjectMeta, spec 2 LeaseSpec
LeaseSpec: holderIdentity 1*, leaseDurationSeconds 2* int, acquireTime 3* MicroTime, renewTime 4* MicroTime,
  leaseTransitions 5* int, strategy 6*, preferredHolder 7*
EndpointSlice: metadata 1 ObjectMeta, addressType 4!, endpoints 2! []Endpoint, ports 3! []EndpointPort.discovery
Endpoint: addresses 1! [], conditions 2 EndpointConditions, hostname 3*, targetRef 4* ObjectReference,
  deprecatedTopology 5 {}, nodeName 6*, zone 7*, hints 8* EndpointHints
EndpointConditions: ready 1* bool, serving 2* bool, terminating 3* bool
EndpointHints: forZones 1 []ForZone, forNodes 2 []ForNode
ForZone: name 1!
ForNode: name 1!
EndpointPort.discovery: name 1*, protocol 2*, port 3* int, appProtocol 4*
Event.events: metadata 1! ObjectMeta, eventTime 2! MicroTime, series 3* EventSeries.events, reportingController 4,
  reportingInstance 5, action 6, reason 7, regarding 8 ObjectReference, related 9* ObjectReference, note 10,
  type 11, deprecatedSource 12 EventSource, deprecatedFirstTimestamp 13 Time, deprecatedLastTimestamp 14 Time,
  deprecatedCount 15 int
EventSeries.events: count 1! int, lastObservedTime 2! MicroTime
PodDisruptionBudget: metadata 1 ObjectMeta, spec 2 PodDisruptionBudgetSpec, status 3 PodDisruptionBudgetStatus
PodDisruptionBudgetSpec: minAvailable 1* IntOrString, selector 2* LabelSelector, maxUnavailable 3* IntOrString,
  unhealthyPodEvictionPolicy 4*
PodDisruptionBudgetStatus: observedGeneration 1 long, disruptedPods 2 {}Time, disruptionsAllowed 3! int,
  currentHealthy 4! int, desiredHealthy 5! int, expectedPods 6! int, conditions 7 []Condition@type
Eviction: metadata 1 ObjectMeta, deleteOptions 2* DeleteOptions
CSIDriver: metadata 1 ObjectMeta, spec 2! CSIDriverSpec
CSIDriverSpec: attachRequired 1* bool, podInfoOnMount 2* bool, volumeLifecycleModes 3 [], storageCapacity 4* bool,
  fsGroupPolicy 5*, tokenRequests 6 []TokenRequest.storage, requiresRepublish 7* bool, seLinuxMount 8* bool,
  nodeAllocatableUpdatePeriodSeconds 9* long, serviceAccountTokenInSecrets 10* bool,
  preventPodSchedulingIfMissing 11* bool
TokenRequest.storage: audience 1!, expirationSeconds 2* long
CSINode: metadata 1 ObjectMeta, spec 2! CSINodeSpec
CSINodeSpec: drivers 1! []CSINodeDriver@name
CSINodeDriver: name 1!, nodeID 2!, topologyKeys 3! [], allocatable 4* VolumeNodeResources
VolumeNodeResources: count 1* int
StorageClass: metadata 1 ObjectMeta, provisioner 2!, parameters 3 {}, reclaimPolicy 4*, mountOptions 5 [],
  allowVolumeExpansion 6* bool, volumeBindingMode 7*, allowedTopologies 8 []TopologySelectorTerm
VolumeAttachment: metadata 1 ObjectMeta, spec 2! VolumeAttachmentSpec, status 3 VolumeAttachmentStatus
VolumeAttachmentSpec: attacher 1!, source 2! VolumeAttachmentSource, nodeName 3!
VolumeAttachmentSource: persistentVolumeName 1*, inlineVolumeSpec 2* PersistentVolumeSpec
VolumeAttachmentStatus: attached 1! bool, attachmentMetadata 2 {}, attachError 3* VolumeError,
  detachError 4* VolumeError
VolumeError: time 1 Time, message 2, errorCode 3* int
PriorityClass: metadata 1 ObjectMeta, value 2! int, globalDefault 3 bool, description 4, preemptionPolicy 5*
RuntimeClass: metadata 1 ObjectMeta, handler 2!, overhead 3* Overhead, scheduling 4* Scheduling
Overhead: podFixed 1 {}Quantity
Scheduling: nodeSelector 1 {}, tolerations 2 []Toleration
TokenReview: metadata 1 ObjectMeta, spec 2! TokenReviewSpec, status 3 TokenReviewStatus
TokenReviewSpec: token 1, audiences 2 []
TokenReviewStatus: authenticated 1 bool, user 2 UserInfo, audiences 4 [], error 3
UserInfo: username 1, uid 2, groups 3 [], extra 4 {}ExtraValue
TokenRequest.authentication: metadata 1 ObjectMeta, spec 2! TokenRequestSpec, status 3 TokenRequestStatus
TokenRequestSpec: audiences 1! [], expirationSeconds 4*! long, boundObjectRef 3*! BoundObjectReference
BoundObjectReference: kind 1, apiVersion 2, name 3, uid 4
TokenRequestStatus: token 1!, expirationTimestamp 2! Time
SelfSubjectReview: metadata 1 ObjectMeta, status 2 SelfSubjectReviewStatus
SelfSubjectReviewStatus: userInfo 1 UserInfo
SubjectAccessReview: metadata 1 ObjectMeta, spec 2! SubjectAccessReviewSpec, status 3 SubjectAccessReviewStatus
SubjectAccessReviewSpec: resourceAttributes 1* ResourceAttributes, nonResourceAttributes 2* NonResourceAttributes,
  user 3, groups 4 [], extra 5 {}ExtraValue, uid 6
ResourceAttributes: namespace 1, verb 2, group 3, version 4, resource 5, subresource 6, name 7,
  fieldSelector 8* FieldSelectorAttributes, labelSelector 9* LabelSelectorAttributes
FieldSelectorAttributes: rawSelector 1, requirements 2 []FieldSelectorRequirement
LabelSelectorAttributes: rawSelector 1, requirements 2 []LabelSelectorRequirement
NonResourceAttributes: path 1, verb 2
SubjectAccessReviewStatus: allowed 1! bool, denied 4 bool, reason 2, evaluationError 3
SelfSubjectAccessReview: metadata 1 ObjectMeta, spec 2! SelfSubjectAccessReviewSpec,
  status 3 SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec: resourceAttributes 1* ResourceAttributes,
  nonResourceAttributes 2* NonResourceAttributes
LocalSubjectAccessReview: metadata 1 ObjectMeta, spec 2! SubjectAccessReviewSpec, status 3 SubjectAccessReviewStatus
SelfSubjectRulesReview: metadata 1 ObjectMeta, spec 2! SelfSubjectRulesReviewSpec, status 3 SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec: namespace 1
SubjectRulesReviewStatus: resourceRules 1! []ResourceRule, nonResourceRules 2! []NonResourceRule,
  incomplete 3! bool, evaluationError 4
ResourceRule: verbs 1! [], apiGroups 2 [], resources 3 [], resourceNames 4 []
NonResourceRule: verbs 1! [], nonResourceURLs 2 []
`

/** Messages of k8s.io/apimachinery/pkg/apis/meta/v1, as message-fields.ts reads them: types.go of v0.36.3, in its order. */
export const META_V1 = `
ObjectMeta: name 1, generateName 2, namespace 3, selfLink 4, uid 5, resourceVersion 6, generation 7 long,
  creationTimestamp 8? Time, deletionTimestamp 9* Time, deletionGracePeriodSeconds 10* long, labels 11 {},
  annotations 12 {}, ownerReferences 13 []OwnerReference@uid, finalizers 14 []@,
  managedFields 17 []ManagedFieldsEntry
OwnerReference: apiVersion 5!, kind 1!, name 3!, uid 4!, controller 6* bool, blockOwnerDeletion 7* bool
ManagedFieldsEntry: manager 1, operation 2, apiVersion 3, time 4* Time, fieldsType 6, fieldsV1 7* FieldsV1,
  subresource 8
LabelSelector: matchLabels 1 {}, matchExpressions 2 []LabelSelectorRequirement
LabelSelectorRequirement: key 1!, operator 2!, values 3 []
Condition: type 1!, status 2!, observedGeneration 3 long, lastTransitionTime 4! Time, reason 5!, message 6!
DeleteOptions: gracePeriodSeconds 1* long, preconditions 2* Preconditions, orphanDependents 3* bool,
  propagationPolicy 4*, dryRun 5 [], ignoreStoreReadErrorWithClusterBreakingPotential 6* bool
Preconditions: uid 1*, resourceVersion 2*
FieldSelectorRequirement: key 1!, operator 2!, values 3 []
Status: metadata 1 ListMeta, status 2, message 3, reason 4, details 5* StatusDetails, code 6 int
ListMeta: selfLink 1, resourceVersion 2, continue 3, remainingItemCount 4* long, shardInfo 5* ShardInfo
ShardInfo: selector 1!
StatusDetails: name 1, group 2, kind 3, uid 6, causes 4 []StatusCause, retryAfterSeconds 5 int
StatusCause: reason 1, message 2, field 3
WatchEvent: type 1!, object 2! RawExtension
PartialObjectMetadata: metadata 1 ObjectMeta
`

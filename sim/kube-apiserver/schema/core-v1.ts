/** The messages of k8s.io/api/core/v1 but Pod's, as message-fields.ts reads them: types.go of v0.36.3, in its order. */
export const CORE_V1 = `
Binding: metadata 1 ObjectMeta, target 2! ObjectReference
ObjectReference: kind 1, namespace 2, name 3, uid 4, apiVersion 5, resourceVersion 6, fieldPath 7
ConfigMap: metadata 1 ObjectMeta, immutable 4* bool, data 2 {}, binaryData 3 {}bytes
Endpoints: metadata 1 ObjectMeta, subsets 2 []EndpointSubset
EndpointSubset: addresses 1 []EndpointAddress, notReadyAddresses 2 []EndpointAddress, ports 3 []EndpointPort
EndpointAddress: ip 1!, hostname 3, nodeName 4*, targetRef 2* ObjectReference
EndpointPort: name 1, port 2! int, protocol 3, appProtocol 4*
Event: metadata 1! ObjectMeta, involvedObject 2! ObjectReference, reason 3, message 4, source 5 EventSource,
  firstTimestamp 6 Time, lastTimestamp 7 Time, count 8 int, type 9, eventTime 10 MicroTime, series 11* EventSeries,
  action 12, related 13* ObjectReference, reportingComponent 14!, reportingInstance 15!
EventSource: component 1, host 2
EventSeries: count 1 int, lastObservedTime 2 MicroTime
Namespace: metadata 1 ObjectMeta, spec 2 NamespaceSpec, status 3 NamespaceStatus
NamespaceSpec: finalizers 1 []
NamespaceStatus: phase 1, conditions 2 []NamespaceCondition@type
NamespaceCondition: type 1!, status 2!, lastTransitionTime 4 Time, reason 5, message 6
Node: metadata 1 ObjectMeta, spec 2 NodeSpec, status 3 NodeStatus
NodeSpec: podCIDR 1, podCIDRs 7 []@, providerID 3, unschedulable 4 bool, taints 5 []Taint,
  configSource 6* NodeConfigSource, externalID 2
Taint: key 1!, value 2, effect 3!, timeAdded 4* Time
NodeConfigSource: configMap 2* ConfigMapNodeConfigSource
ConfigMapNodeConfigSource: namespace 1!, name 2!, uid 3, resourceVersion 4, kubeletConfigKey 5!
NodeStatus: capacity 1 {}Quantity, allocatable 2 {}Quantity, phase 3, conditions 4 []NodeCondition@type,
  addresses 5 []NodeAddress@type, daemonEndpoints 6 NodeDaemonEndpoints, nodeInfo 7 NodeSystemInfo,
  images 8 []ContainerImage, volumesInUse 9 [], volumesAttached 10 []AttachedVolume, config 11* NodeConfigStatus,
  runtimeHandlers 12 []NodeRuntimeHandler, features 13* NodeFeatures, declaredFeatures 14 []
NodeCondition: type 1!, status 2!, lastHeartbeatTime 3 Time, lastTransitionTime 4 Time, reason 5, message 6
NodeAddress: type 1!, address 2!
NodeDaemonEndpoints: kubeletEndpoint 1 DaemonEndpoint
DaemonEndpoint: Port 1! int
NodeSystemInfo: machineID 1!, systemUUID 2!, bootID 3!, kernelVersion 4!, osImage 5!, containerRuntimeVersion 6!,
  kubeletVersion 7!, kubeProxyVersion 8!, operatingSystem 9!, architecture 10!, swap 11* NodeSwapStatus
NodeSwapStatus: capacity 1* long
ContainerImage: names 1! [], sizeBytes 2 long
AttachedVolume: name 1!, devicePath 2!
NodeConfigStatus: assigned 1* NodeConfigSource, active 2* NodeConfigSource, lastKnownGood 3* NodeConfigSource,
  error 4
NodeRuntimeHandler: name 1!, features 2* NodeRuntimeHandlerFeatures
NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts 1* bool, userNamespaces 2* bool
NodeFeatures: supplementalGroupsPolicy 1* bool
PersistentVolumeClaim: metadata 1 ObjectMeta, spec 2 PersistentVolumeClaimSpec, status 3 PersistentVolumeClaimStatus
PersistentVolumeClaimSpec: accessModes 1 [], selector 4* LabelSelector, resources 2 VolumeResourceRequirements,
  volumeName 3, storageClassName 5*, volumeMode 6*, dataSource 7* TypedLocalObjectReference,
  dataSourceRef 8* TypedObjectReference, volumeAttributesClassName 9*
VolumeResourceRequirements: limits 1 {}Quantity, requests 2 {}Quantity
TypedLocalObjectReference: apiGroup 1*!, kind 2!, name 3!
TypedObjectReference: apiGroup 1*!, kind 2!, name 3!, namespace 4*
PersistentVolumeClaimStatus: phase 1, accessModes 2 [], capacity 3 {}Quantity,
  conditions 4 []PersistentVolumeClaimCondition@type, allocatedResources 5 {}Quantity,
  allocatedResourceStatuses 7 {}, currentVolumeAttributesClassName 8*, modifyVolumeStatus 9* ModifyVolumeStatus
PersistentVolumeClaimCondition: type 1!, status 2!, lastProbeTime 3 Time, lastTransitionTime 4 Time, reason 5,
  message 6
ModifyVolumeStatus: targetVolumeAttributesClassName 1, status 2!
PersistentVolume: metadata 1 ObjectMeta, spec 2 PersistentVolumeSpec, status 3 PersistentVolumeStatus
PersistentVolumeSpec: capacity 1 {}Quantity, persistentVolumeSource 2~ PersistentVolumeSource, accessModes 3 [],
  claimRef 4* ObjectReference, persistentVolumeReclaimPolicy 5, storageClassName 6, mountOptions 7 [],
  volumeMode 8*, nodeAffinity 9* VolumeNodeAffinity, volumeAttributesClassName 10*
PersistentVolumeSource: gcePersistentDisk 1* GCEPersistentDiskVolumeSource,
  awsElasticBlockStore 2* AWSElasticBlockStoreVolumeSource, hostPath 3* HostPathVolumeSource,
  glusterfs 4* GlusterfsPersistentVolumeSource, nfs 5* NFSVolumeSource, rbd 6* RBDPersistentVolumeSource,
  iscsi 7* ISCSIPersistentVolumeSource, cinder 8* CinderPersistentVolumeSource,
  cephfs 9* CephFSPersistentVolumeSource, fc 10* FCVolumeSource, flocker 11* FlockerVolumeSource,
  flexVolume 12* FlexPersistentVolumeSource, azureFile 13* AzureFilePersistentVolumeSource,
  vsphereVolume 14* VsphereVirtualDiskVolumeSource, quobyte 15* QuobyteVolumeSource,
  azureDisk 16* AzureDiskVolumeSource, photonPersistentDisk 17* PhotonPersistentDiskVolumeSource,
  portworxVolume 18* PortworxVolumeSource, scaleIO 19* ScaleIOPersistentVolumeSource, local 20* LocalVolumeSource,
  storageos 21* StorageOSPersistentVolumeSource, csi 22* CSIPersistentVolumeSource
GCEPersistentDiskVolumeSource: pdName 1!, fsType 2, partition 3 int, readOnly 4 bool
AWSElasticBlockStoreVolumeSource: volumeID 1!, fsType 2, partition 3 int, readOnly 4 bool
HostPathVolumeSource: path 1!, type 2*
GlusterfsPersistentVolumeSource: endpoints 1!, path 2!, readOnly 3 bool, endpointsNamespace 4*
NFSVolumeSource: server 1!, path 2!, readOnly 3 bool
RBDPersistentVolumeSource: monitors 1! [], image 2!, fsType 3, pool 4, user 5, keyring 6,
  secretRef 7* SecretReference, readOnly 8 bool
SecretReference: name 1, namespace 2
ISCSIPersistentVolumeSource: targetPortal 1!, iqn 2!, lun 3! int, iscsiInterface 4, fsType 5, readOnly 6 bool,
  portals 7 [], chapAuthDiscovery 8 bool, chapAuthSession 11 bool, secretRef 10* SecretReference, initiatorName 12*
CinderPersistentVolumeSource: volumeID 1!, fsType 2, readOnly 3 bool, secretRef 4* SecretReference
CephFSPersistentVolumeSource: monitors 1! [], path 2, user 3, secretFile 4, secretRef 5* SecretReference,
  readOnly 6 bool
FCVolumeSource: targetWWNs 1 [], lun 2* int, fsType 3, readOnly 4 bool, wwids 5 []
FlockerVolumeSource: datasetName 1, datasetUUID 2
FlexPersistentVolumeSource: driver 1!, fsType 2, secretRef 3* SecretReference, readOnly 4 bool, options 5 {}
AzureFilePersistentVolumeSource: secretName 1!, shareName 2!, readOnly 3 bool, secretNamespace 4*!
VsphereVirtualDiskVolumeSource: volumePath 1!, fsType 2, storagePolicyName 3, storagePolicyID 4
QuobyteVolumeSource: registry 1!, volume 2!, readOnly 3 bool, user 4, group 5, tenant 6
AzureDiskVolumeSource: diskName 1!, diskURI 2!, cachingMode 3*, fsType 4*, readOnly 5* bool, kind 6*
PhotonPersistentDiskVolumeSource: pdID 1!, fsType 2
PortworxVolumeSource: volumeID 1!, fsType 2, readOnly 3 bool
ScaleIOPersistentVolumeSource: gateway 1!, system 2!, secretRef 3*! SecretReference, sslEnabled 4 bool,
  protectionDomain 5, storagePool 6, storageMode 7, volumeName 8, fsType 9, readOnly 10 bool
LocalVolumeSource: path 1!, fsType 2*
StorageOSPersistentVolumeSource: volumeName 1, volumeNamespace 2, fsType 3, readOnly 4 bool,
  secretRef 5* ObjectReference
CSIPersistentVolumeSource: driver 1!, volumeHandle 2!, readOnly 3 bool, fsType 4, volumeAttributes 5 {},
  controllerPublishSecretRef 6* SecretReference, nodeStageSecretRef 7* SecretReference,
  nodePublishSecretRef 8* SecretReference, controllerExpandSecretRef 9* SecretReference,
  nodeExpandSecretRef 10* SecretReference
VolumeNodeAffinity: required 1* NodeSelector
NodeSelector: nodeSelectorTerms 1! []NodeSelectorTerm
NodeSelectorTerm: matchExpressions 1 []NodeSelectorRequirement, matchFields 2 []NodeSelectorRequirement
NodeSelectorRequirement: key 1!, operator 2!, values 3 []
PersistentVolumeStatus: phase 1, message 2, reason 3, lastPhaseTransitionTime 4* Time
Secret: metadata 1 ObjectMeta, immutable 5* bool, data 2 {}bytes, stringData 4 {}, type 3
ServiceAccount: metadata 1 ObjectMeta, secrets 2 []ObjectReference@name, imagePullSecrets 3 []LocalObjectReference,
  automountServiceAccountToken 4* bool
Service: metadata 1 ObjectMeta, spec 2 ServiceSpec, status 3 ServiceStatus
ServiceSpec: ports 1 []ServicePort@port, selector 2 {}, clusterIP 3, clusterIPs 18 [], type 4, externalIPs 5 [],
  sessionAffinity 7, loadBalancerIP 8, loadBalancerSourceRanges 9 [], externalName 10, externalTrafficPolicy 11,
  healthCheckNodePort 12 int, publishNotReadyAddresses 13 bool, sessionAffinityConfig 14* SessionAffinityConfig,
  ipFamilies 19 [], ipFamilyPolicy 17*, allocateLoadBalancerNodePorts 20* bool, loadBalancerClass 21*,
  internalTrafficPolicy 22*, trafficDistribution 23*
ServicePort: name 1, protocol 2, appProtocol 6*, port 3! int, targetPort 4 IntOrString, nodePort 5 int
SessionAffinityConfig: clientIP 1* ClientIPConfig
ClientIPConfig: timeoutSeconds 1* int
ServiceStatus: loadBalancer 1 LoadBalancerStatus, conditions 2 []Condition@type
LoadBalancerStatus: ingress 1 []LoadBalancerIngress
LoadBalancerIngress: ip 1, hostname 2, ipMode 3*, ports 4 []PortStatus
PortStatus: port 1! int, protocol 2!, error 3*
TopologySelectorTerm: matchLabelExpressions 1 []TopologySelectorLabelRequirement
TopologySelectorLabelRequirement: key 1!, values 2! []
`

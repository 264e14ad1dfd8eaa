/** What a kubelet reads of a Pod: k8s.io/api/core/v1/types.go, as far as it is simulated. */
import type { KubeObject } from '../../../lib/kube/object.ts'

interface KeyRef {
  name?: string
  key: string
  optional?: boolean
}

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: {
    secretKeyRef?: KeyRef
    configMapKeyRef?: KeyRef
    fieldRef?: { fieldPath: string }
  }
}

export interface EnvFromSource {
  prefix?: string
  secretRef?: { name?: string; optional?: boolean }
  configMapRef?: { name?: string; optional?: boolean }
}

export interface ContainerSpec {
  name: string
  image?: string
  command?: string[]
  args?: string[]
  workingDir?: string
  env?: EnvVar[]
  envFrom?: EnvFromSource[]
  stdin?: boolean
  tty?: boolean
  ports?: { containerPort: number; protocol?: string }[]
  volumeMounts?: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[]
}

export interface KeyToPath {
  key: string
  path: string
}

export interface VolumeProjection {
  secret?: { name?: string; items?: KeyToPath[]; optional?: boolean }
  configMap?: { name?: string; items?: KeyToPath[]; optional?: boolean }
  serviceAccountToken?: { audience?: string; expirationSeconds?: number; path: string }
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
}

export interface Volume {
  name: string
  secret?: { secretName?: string; items?: KeyToPath[]; optional?: boolean }
  configMap?: { name?: string; items?: KeyToPath[]; optional?: boolean }
  projected?: { sources?: VolumeProjection[] }
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
  hostPath?: { path: string; type?: string }
}

export interface PodSpec {
  nodeName?: string
  hostname?: string
  hostNetwork?: boolean
  restartPolicy?: 'Always' | 'OnFailure' | 'Never'
  serviceAccountName?: string
  containers: ContainerSpec[]
  initContainers?: ContainerSpec[]
  volumes?: Volume[]
}

export function specOf(pod: KubeObject): PodSpec {
  return pod['spec'] as PodSpec
}

/** Where the objects of a resource lie in etcd: apiserver/pkg/registry/generic/registry/store.go, kubeapiserver/default_storage_factory_builder.go. */
export interface StoredResource {
  group: string
  resource: string
  namespaced: boolean
  /** Below --etcd-prefix; for most the resource's own name. */
  storagePath: string
}

/** `/registry` as --etcd-prefix gives it, always with one slash in front and none behind. */
export function normalPrefix(prefix: string): string {
  return `/${prefix.replace(/^\/+|\/+$/g, '')}`
}

export function resourcePrefix(prefix: string, { storagePath }: StoredResource): string {
  return `${prefix}/${storagePath}/`
}

export function objectKey(prefix: string, resource: StoredResource, namespace: string, name: string): string {
  const base = resourcePrefix(prefix, resource)
  return resource.namespaced ? `${base}${namespace}/${name}` : `${base}${name}`
}

import type { CertificatePlan, PkiPlan } from './pki-plan.ts'

/**
 * The authority of a plan that a relation trusts, by its name in the plan: the same one for all of them as kubeadm lays it
 * out, one for each in a stricter plan. `ca` is the cluster's: clients of kube-apiserver and kubelets, and their servers.
 */
export function signingAuthority(
  plan: PkiPlan,
  relation: 'ca' | 'etcd-ca' | 'front-proxy-ca',
  usages: ReadonlyArray<'clientAuth' | 'serverAuth'>,
): string {
  const signer = (name: string): CertificatePlan['signedBy'] | undefined =>
    plan.certificates.find((each) => each.name === name)?.signedBy
  if (relation === 'front-proxy-ca') return signer('front-proxy-client') ?? relation
  const found =
    relation === 'etcd-ca'
      ? signer('etcd-server')
      : usages.length === 1 && usages[0] === 'serverAuth'
        ? signer('apiserver')
        : (plan.kubeconfigs.find(({ client }) => client)?.client?.signedBy ?? signer('apiserver'))
  return found ?? relation
}

/** What a plan calls a CA that signs nobody any more, and that clients may still come by. */
export const RETIRED_CA = 'retired-ca'

/** Where a host of the control plane holds the certificate of the authority that signs a relation's certificates. */
export function authorityFile(plan: PkiPlan, name: string): string {
  const files = plan.authorities.find((each) => each.name === name)?.files ?? []
  return files.find(({ on, certificate }) => on === 'control-plane' && certificate)?.certificate ?? DEFAULT_FILE
}

const DEFAULT_FILE = '/etc/kubernetes/pki/ca.crt'

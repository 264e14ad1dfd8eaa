import { stringify } from '../settings/yaml.ts'
import type { Issued } from '../x509/certificate-spec.ts'
import type { KubeconfigPlan } from './pki-plan.ts'
import { YAML_STYLE } from './yaml-file.ts'

/** A kubeconfig as kubeadm writes it (cmd/kubeadm/app/util/kubeconfig/kubeconfig.go): one cluster, context and user. */
export function kubeconfigText(
  plan: KubeconfigPlan,
  given: { ca?: string | undefined; client?: Issued | undefined; token?: string | undefined },
): string {
  const { cluster, context, user, server, client } = plan
  return stringify(
    {
      apiVersion: 'v1',
      clusters: [
        {
          cluster: {
            // client-go refuses a kubeconfig that has both.
            ...(plan.insecureSkipTlsVerify
              ? { 'insecure-skip-tls-verify': true }
              : given.ca
                ? { 'certificate-authority-data': base64(given.ca) }
                : {}),
            server,
          },
          name: cluster,
        },
      ],
      contexts: [{ context: { cluster, user }, name: context }],
      'current-context': context,
      kind: 'Config',
      users: [
        {
          name: user,
          user: given.client
            ? {
                'client-certificate-data': base64(given.client.certificate),
                'client-key-data': base64(given.client.privateKey),
              }
            : client?.pem
              ? { 'client-certificate': client.pem, 'client-key': client.pem }
              : given.token
                ? { token: given.token }
                : {},
        },
      ],
    },
    YAML_STYLE,
  )
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

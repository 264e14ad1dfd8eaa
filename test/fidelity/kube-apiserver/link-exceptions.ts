/** Rows of kubelet-link.json that our answer does not meet, and why. */
import type { LinkRow } from './link-replay.ts'

const BY_ID: Readonly<Record<string, string>> = {
  'link-address-hostname-only-node-proxy': "no name is looked up: the text is a resolver's",
  'link-address-hostname-only-node-proxy-secrets': "no name is looked up: the text is a resolver's",
  'link-address-hostname-only-exec-spdy': "no name is looked up: the text is a resolver's",
  'link-address-apiserver-node-proxy-secrets': 'needs a kube-apiserver that listens at the address',
  'link-address-apiserver-log': 'needs a kube-apiserver that listens at the address',
  'link-address-apiserver-exec-spdy': 'needs a kube-apiserver that listens at the address',
  'link-verify-ca-other-ip-exec-spdy-reply-200': 'the recording missed the alert that the others of its kind show',
  'link-address-unspecified-log': '0.0.0.0 is not an address of the loopback interface and is not dialled',
  'link-address-unspecified-exec-spdy': '0.0.0.0 is not an address of the loopback interface and is not dialled',
}

export function linkException({ id }: LinkRow): string | undefined {
  return BY_ID[id]
}

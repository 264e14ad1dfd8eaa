/** Rows of start.json that our server does not meet, and why. */
const TWENTY_SECONDS = 'waits 20 s for an etcd that does not come'
const GATES = 'feature gates are taken as they come: of all, one is read'
const YAML = 'the words are those of another YAML reader'

export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'start-etcd-refused': TWENTY_SECONDS,
  'start-etcd-cluster-ca-cert': TWENTY_SECONDS,
  'start-etcd-plain-http': TWENTY_SECONDS,
  'start-etcd-wrong-name': TWENTY_SECONDS,
  'start-feature-gate-unknown': GATES,
  'start-feature-gate-locked': GATES,
  'start-feature-gate-no-equals': GATES,
  'start-enc-not-yaml': YAML,
  'start-authn-not-yaml': YAML,
  'start-token-file-empty-token': 'the file is not among the recordings',
  'start-no-flags': 'that machine had no route; here the address is the loopback',
  'start-version': 'the text is that of one build',
  'start-authn-jwt-http-issuer': 'identity providers are not simulated, and their configuration is not read',
  'start-authz-webhook-fields-file': 'the mode Webhook is refused before its fields are read',
}

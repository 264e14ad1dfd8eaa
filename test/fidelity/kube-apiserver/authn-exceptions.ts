/** Rows of authn.json that our answer does not meet, and why. Rows about the handshake alone are the listener's. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'authn-kubeadm-ws-cert-watch': 'the watch handler refuses a WebSocket without an Origin, after authorization',
  'authn-legacy-impersonation-impersonate-limited-group-get-secret':
    'the cluster of this flag set had run no aggregation: its edit role was empty',
}

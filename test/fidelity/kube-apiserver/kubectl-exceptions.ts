/** Rows of kubectl.json that kubectl does not say or ask of our server, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'kubectl-version': 'the recorded build calls itself by no version that kubectl reads; ours has one',
  'kubectl-explain-pod-spec': 'our OpenAPI has no descriptions',
  'kubectl-wrong-name': 'the certificate of our server names other addresses',
}

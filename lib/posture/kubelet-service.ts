/**
 * How systemd starts a kubelet on a kubeadm host: kubeadm's drop-in joins flags from three places into one command line.
 * The drop-in of the host's own tree counts; without one, the one that the kubeadm package installs.
 */
const DROP_INS = [
  '/etc/systemd/system/kubelet.service.d/10-kubeadm.conf',
  '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
  '/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
]

/** kubernetes/release, cmd/krel/templates/latest/kubeadm/10-kubeadm.conf. */
const KUBEADM_DROP_IN = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`

/** Whether a host's tree is that of a node: it has something to start a kubelet with. */
export function hasKubelet(files: ReadonlyMap<string, string>): boolean {
  return ['/var/lib/kubelet/config.yaml', '/var/lib/kubelet/kubeadm-flags.env', ...DROP_INS].some((path) =>
    files.has(path),
  )
}

/** The kubelet's arguments as systemd would expand them from the host's files. */
export function kubeletArguments(files: ReadonlyMap<string, string>): string[] {
  const dropIn = DROP_INS.map((path) => files.get(path)).find((text) => text !== undefined) ?? KUBEADM_DROP_IN
  const variables = new Map<string, string>()
  let command: string[] = []
  for (const line of dropIn.split('\n').map((each) => each.trim())) {
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key === 'Environment') for (const assignment of words(value)) assign(variables, assignment)
    if (key === 'EnvironmentFile') {
      const file = files.get(value.replace(/^-/, '')) ?? ''
      for (const assignment of file.split('\n')) {
        if (!/^\s*(#|;|$)/.test(assignment)) assign(variables, words(assignment.trim()).join(' '))
      }
    }
    // An empty ExecStart= clears what a unit file said before it.
    if (key === 'ExecStart') command = value === '' ? [] : words(value)
  }
  return command.slice(1).flatMap((word) => {
    const name = /^\$(\w+)$/.exec(word)?.[1]
    if (name !== undefined) return words(variables.get(name) ?? '')
    return [word.replace(/\$\{(\w+)\}/g, (_, inner: string) => variables.get(inner) ?? '')]
  })
}

function assign(variables: Map<string, string>, assignment: string): void {
  const at = assignment.indexOf('=')
  if (at > 0) variables.set(assignment.slice(0, at), assignment.slice(at + 1))
}

/** Splits as systemd does: at spaces, quotes keep words together and are taken away. */
function words(text: string): string[] {
  const found: string[] = []
  let word = ''
  let quote = ''
  let inside = false
  for (const char of text) {
    if (quote !== '') {
      if (char === quote) quote = ''
      else word += char
    } else if (char === '"' || char === "'") {
      quote = char
      inside = true
    } else if (/\s/.test(char)) {
      if (inside) found.push(word)
      word = ''
      inside = false
    } else {
      word += char
      inside = true
    }
  }
  if (inside) found.push(word)
  return found
}

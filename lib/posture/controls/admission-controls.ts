/** Controls of what kube-apiserver lets Pods ask of their node. */
import { flagOf, listFlag, manifestsOf, withFlag } from '../change-posture.ts'
import type { Control } from '../control.ts'
import type { Posture } from '../posture.ts'
import { withApiserverFile } from './apiserver-file.ts'
import { manifestPath } from './manifest-path.ts'

const [CONFIG, DISABLE] = ['admission-control-config-file', 'disable-admission-plugins'] as const
const PLUGIN = 'PodSecurity'
const FILE = '/etc/kubernetes/admission/admission.yaml'

/** As kubernetes.io documents it (docs/tasks/configure-pod-container/enforce-standards-admission-controller). */
const BASELINE = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults:
      enforce: baseline
      enforce-version: latest
      audit: restricted
      audit-version: latest
      warn: restricted
      warn-version: latest
    exemptions:
      namespaces:
      - kube-system
`

export const ADMISSION_CONTROLS: readonly Control[] = [
  {
    id: 'pod-security',
    title: 'a Pod may ask for nothing of its node (Pod Security, baseline wherever a namespace says nothing else)',
    cis: ['5.2.1', '5.2.12'],
    layer: 'admission',
    files: [manifestPath('kube-apiserver')],
    weaken: (posture) => (holdsPods(posture) ? withDisabled(posture, true) : posture),
    restore: (posture) => {
      const enabled = withDisabled(posture, false)
      if (holdsPods(enabled)) return enabled
      const written = withApiserverFile(enabled, { volume: 'admission', path: FILE, text: BASELINE })
      return withFlag(written, 'kube-apiserver', CONFIG, FILE)
    },
  },
]

/** Whether the configuration that kube-apiserver is given names the plugin. */
function holdsPods(posture: Posture): boolean {
  const path = flagOf(posture, 'kube-apiserver', CONFIG)
  const [manifest] = manifestsOf(posture, 'kube-apiserver')
  if (path === undefined || manifest === undefined) return false
  return posture.files.get(`hosts/${manifest.split('/')[1]}${path}`)?.includes(`name: ${PLUGIN}`) === true
}

function withDisabled(posture: Posture, isDisabled: boolean): Posture {
  const value = listFlag(flagOf(posture, 'kube-apiserver', DISABLE), PLUGIN, isDisabled)
  return withFlag(posture, 'kube-apiserver', DISABLE, value)
}

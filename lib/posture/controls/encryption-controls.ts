/** Controls of what lies in etcd. */
import { isMap, isSeq } from '../../settings/yaml.ts'
import { flagOf, withFlag } from '../change-posture.ts'
import type { Control } from '../control.ts'
import { withFile, type Posture } from '../posture.ts'
import { YAML_STYLE, YamlFile } from '../yaml-file.ts'
import { withApiserverFile } from './apiserver-file.ts'
import { manifestPath } from './manifest-path.ts'

const CONFIG = '/etc/kubernetes/enc/enc.yaml'

/** As kubernetes.io documents it (docs/tasks/administer-cluster/encrypt-data); the key is drawn anew for each run. */
const SECRETBOX = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: bXRscy1yYW5nZSBleGFtcGxlIGtleSAzMiBieXRlcyE=
  - identity: {}
`

export const ENCRYPTION_CONTROLS: readonly Control[] = [
  {
    id: 'encryption-provider',
    title: 'kube-apiserver seals Secrets before it stores them',
    cis: ['1.2.27', '1.2.28'],
    layer: 'at-rest',
    files: [manifestPath('kube-apiserver')],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'encryption-provider-config', undefined),
    restore: (posture) => {
      if (flagOf(posture, 'kube-apiserver', 'encryption-provider-config') !== undefined) return posture
      const written = withApiserverFile(posture, { volume: 'enc', path: CONFIG, text: SECRETBOX })
      return withFlag(written, 'kube-apiserver', 'encryption-provider-config', CONFIG)
    },
  },
  {
    id: 'encryption-first-provider',
    title: 'the first provider, which writes, is one that seals',
    cis: ['1.2.28'],
    layer: 'at-rest',
    files: [CONFIG],
    weaken: (posture) => editConfig(posture, (text, file) => moveIdentity(file, text, true)),
    restore: (posture) => editConfig(posture, (text, file) => moveIdentity(file, text, false)),
  },
  {
    id: 'encryption-authenticated',
    title: 'what is sealed cannot be changed unnoticed (secretbox, not aescbc)',
    layer: 'at-rest',
    files: [CONFIG],
    weaken: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )(secretbox|aesgcm):/gm, '$1aescbc:')),
    restore: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )aescbc:/gm, '$1secretbox:')),
  },
  {
    id: 'encryption-bound-to-key',
    title:
      'what is sealed opens only under the key of etcd that it was sealed for (aesgcm, or a key management service)',
    layer: 'crypto',
    files: [CONFIG],
    weaken: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )aesgcm:/gm, '$1secretbox:')),
    restore: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )(secretbox|aescbc):/gm, '$1aesgcm:')),
  },
  {
    id: 'encryption-without-identity',
    title: 'what is not sealed is not read: no identity among the providers once all is sealed',
    layer: 'at-rest',
    files: [CONFIG],
    weaken: (posture) => editConfig(posture, (text, file) => withIdentity(file, text, true)),
    restore: (posture) => editConfig(posture, (text, file) => withIdentity(file, text, false)),
  },
  {
    id: 'encryption-of-every-resource',
    title: 'every kind of object is sealed, not Secrets alone',
    layer: 'at-rest',
    files: [CONFIG],
    weaken: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )'\*\.\*'$/gm, '$1secrets')),
    restore: (posture) => editConfig(posture, (text) => text.replace(/^(\s*- )secrets$/gm, `$1'*.*'`)),
  },
]

function editConfig(posture: Posture, edit: (text: string, file: string) => string): Posture {
  const path = flagOf(posture, 'kube-apiserver', 'encryption-provider-config')
  return [...posture.files].reduce(
    (changed, [file, text]) =>
      path !== undefined && file.endsWith(path) ? withFile(changed, file, edit(text, file)) : changed,
    posture,
  )
}

/** `identity` at the head of every list of providers, or at its end. */
function moveIdentity(file: string, text: string, first: boolean): string {
  const { document } = new YamlFile(file, text)
  const resources = document.get('resources')
  let moved = false
  for (const entry of isSeq(resources) ? resources.items : []) {
    const providers = isMap(entry) ? entry.get('providers') : undefined
    if (!isSeq(providers)) continue
    const at = providers.items.findIndex((item) => isMap(item) && item.has('identity'))
    if (at === -1 || at === (first ? 0 : providers.items.length - 1)) continue
    const [identity] = providers.items.splice(at, 1)
    if (first) providers.items.unshift(identity)
    else providers.items.push(identity)
    moved = true
  }
  return moved ? document.toString(YAML_STYLE) : text
}

/** `identity` at the end of every list of providers, or in none. */
function withIdentity(file: string, text: string, present: boolean): string {
  const { document } = new YamlFile(file, text)
  const resources = document.get('resources')
  let changed = false
  for (const entry of isSeq(resources) ? resources.items : []) {
    const providers = isMap(entry) ? entry.get('providers') : undefined
    if (!isSeq(providers)) continue
    const at = providers.items.findIndex((item) => isMap(item) && item.has('identity'))
    if ((at !== -1) === present) continue
    if (present) providers.add(document.createNode({ identity: {} }, { flow: false }))
    else providers.items.splice(at, 1)
    changed = true
  }
  return changed ? document.toString(YAML_STYLE) : text
}

/** Controls of files that hold keys, and of clients that verify who they talk to. */
import { withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import type { Posture } from '../posture.ts'

const OWNER_ONLY = '0600'
const EVERYBODY = '0644'
const EVERYBODY_WRITES = '0666'
const OTHERS_READ = 0o004

/** A file of pki.yaml that holds a key: where its mode is set, and what CIS says of it. */
interface KeyFile {
  id: string
  path: string
  section: 'authorities' | 'certificates' | 'keyPairs' | 'kubeconfigs'
  name: string
  cis: string
}

const KEY_FILES: readonly KeyFile[] = [
  { id: 'ca-key', path: 'pki/ca.key', section: 'authorities', name: 'ca', cis: '1.1.21' },
  { id: 'etcd-ca-key', path: 'pki/etcd/ca.key', section: 'authorities', name: 'etcd-ca', cis: '1.1.21' },
  {
    id: 'front-proxy-ca-key',
    path: 'pki/front-proxy-ca.key',
    section: 'authorities',
    name: 'front-proxy-ca',
    cis: '1.1.21',
  },
  { id: 'sa-key', path: 'pki/sa.key', section: 'keyPairs', name: 'sa', cis: '1.1.21' },
  { id: 'apiserver-key', path: 'pki/apiserver.key', section: 'certificates', name: 'apiserver', cis: '1.1.21' },
  {
    id: 'apiserver-kubelet-client-key',
    path: 'pki/apiserver-kubelet-client.key',
    section: 'certificates',
    name: 'apiserver-kubelet-client',
    cis: '1.1.21',
  },
  {
    id: 'apiserver-etcd-client-key',
    path: 'pki/apiserver-etcd-client.key',
    section: 'certificates',
    name: 'apiserver-etcd-client',
    cis: '1.1.21',
  },
  {
    id: 'front-proxy-client-key',
    path: 'pki/front-proxy-client.key',
    section: 'certificates',
    name: 'front-proxy-client',
    cis: '1.1.21',
  },
  { id: 'etcd-server-key', path: 'pki/etcd/server.key', section: 'certificates', name: 'etcd-server', cis: '1.1.21' },
  { id: 'etcd-peer-key', path: 'pki/etcd/peer.key', section: 'certificates', name: 'etcd-peer', cis: '1.1.21' },
  { id: 'admin-conf', path: 'admin.conf', section: 'kubeconfigs', name: 'admin', cis: '1.1.13' },
  { id: 'super-admin-conf', path: 'super-admin.conf', section: 'kubeconfigs', name: 'super-admin', cis: '1.1.13' },
  { id: 'scheduler-conf', path: 'scheduler.conf', section: 'kubeconfigs', name: 'scheduler', cis: '1.1.15' },
  {
    id: 'controller-manager-conf',
    path: 'controller-manager.conf',
    section: 'kubeconfigs',
    name: 'controller-manager',
    cis: '1.1.17',
  },
  { id: 'kubelet-conf', path: 'kubelet.conf', section: 'kubeconfigs', name: 'kubelet', cis: '4.1.5' },
]

export const CREDENTIAL_CONTROLS: readonly Control[] = [
  {
    id: 'credential-file-modes',
    title: 'keys and kubeconfigs are readable by their owner alone',
    cis: ['1.1.13', '1.1.15', '1.1.17', '1.1.21', '4.1.5'],
    layer: 'os',
    files: ['pki.yaml'],
    weaken: (posture) => withModes(posture, EVERYBODY),
    restore: (posture) => withModes(posture, OWNER_ONLY),
  },
  ...KEY_FILES.map(fileMode),
  {
    id: 'revocation-list-file-mode',
    title: `etcd's revocation lists are writable by their owner alone`,
    cis: ['1.1.20'],
    layer: 'os',
    files: ['pki.yaml'],
    weaken: (posture) => withListModes(posture, EVERYBODY_WRITES),
    restore: (posture) => withListModes(posture, undefined),
  },
  {
    id: 'kubeconfig-server-verification',
    title: `kubelets, controllers and administrators verify kube-apiserver's certificate`,
    layer: 'cert-verify',
    files: ['pki.yaml'],
    weaken: (posture) =>
      eachKubeconfig(posture, (changed, name) =>
        withPki(changed, ['kubeconfigs', name, 'insecureSkipTLSVerify'], true),
      ),
    restore: (posture) =>
      eachKubeconfig(posture, (changed, name) =>
        withPki(changed, ['kubeconfigs', name, 'insecureSkipTLSVerify'], undefined),
      ),
  },
]

/** The modes that hold for every file without one of its own. */
function withModes(posture: Posture, mode: string): Posture {
  return withPki(withPki(posture, ['modes', 'key'], mode), ['modes', 'kubeconfig'], mode)
}

function withListModes(posture: Posture, mode: string | undefined): Posture {
  const lists = posture.pki.revocationLists
  return lists.reduce(
    (changed, { name }) => withPki(changed, ['revocationLists', name, 'modes', 'certificate'], mode),
    posture,
  )
}

/** One file whose mode differs from all others'. */
function fileMode({ id, path, section, name, cis }: KeyFile): Control {
  const kind = section === 'kubeconfigs' ? 'kubeconfig' : 'key'
  const at = [section, name, 'modes', kind]
  const modeNow = (posture: Posture): number | undefined => {
    const entry = posture.pki[section].find((each) => each.name === name)
    return entry && ('files' in entry ? entry.files[0]?.modes : entry.modes)?.[kind]
  }
  const isOpen = (posture: Posture): boolean => ((modeNow(posture) ?? OTHERS_READ) & OTHERS_READ) !== 0
  return {
    id: `${id}-file-mode`,
    title: `${path} is readable by its owner alone`,
    cis: [cis],
    layer: 'os',
    files: ['pki.yaml'],
    weaken: (posture) => (isOpen(posture) ? posture : withPki(posture, at, EVERYBODY)),
    restore: (posture) => {
      if (modeNow(posture) === undefined || !isOpen(posture)) return posture
      const likeOthers = withPki(posture, at, undefined)
      return isOpen(likeOthers) ? withPki(posture, at, OWNER_ONLY) : likeOthers
    },
  }
}

function eachKubeconfig(posture: Posture, change: (posture: Posture, name: string) => Posture): Posture {
  return posture.pki.kubeconfigs
    .filter(({ server }) => server.startsWith('https:'))
    .reduce((changed, { name }) => change(changed, name), posture)
}

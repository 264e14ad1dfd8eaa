/** Controls of kube-apiserver: who is let in, and what they may do. */
import { flagOf, listFlag, manifestsOf, withFlag, withFlagsAtLeast, withPki } from '../change-posture.ts'
import type { Component } from '../component.ts'
import type { Control } from '../control.ts'
import { readManifest } from '../manifest.ts'
import type { Posture } from '../posture.ts'
import { authorityFile, RETIRED_CA, signingAuthority } from '../signing-authority.ts'
import { manifestPath } from './manifest-path.ts'

const APISERVER = manifestPath('kube-apiserver')
const SCHEDULER = manifestPath('kube-scheduler')
const CONTROLLER_MANAGER = manifestPath('kube-controller-manager')

/** A flag that is there while the control stands, and gone otherwise. */
function flagControl(facts: Omit<Control, 'files' | 'weaken' | 'restore'>, name: string, value: string): Control {
  return {
    ...facts,
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', name, undefined),
    restore: (posture) => withFlag(posture, 'kube-apiserver', name, value),
  }
}

function admissionPlugin(posture: Posture, plugin: string, present: boolean): Posture {
  const name = 'enable-admission-plugins'
  return withFlag(posture, 'kube-apiserver', name, listFlag(flagOf(posture, 'kube-apiserver', name), plugin, present))
}

export const APISERVER_CONTROLS: readonly Control[] = [
  flagControl(
    {
      id: 'anonymous-auth',
      title: 'kube-apiserver turns away whoever shows no credential',
      cis: ['1.2.1'],
      layer: '401',
    },
    'anonymous-auth',
    'false',
  ),
  {
    id: 'client-ca-file',
    title: 'kube-apiserver takes client certificates; without it nobody who has only a certificate gets in',
    cis: ['1.2.25'],
    layer: '401',
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'client-ca-file', undefined),
    restore: (posture) =>
      withFlagsAtLeast(posture, 'kube-apiserver', {
        'client-ca-file': authorityFile(posture.pki, signingAuthority(posture.pki, 'ca', ['clientAuth'])),
      }),
  },
  {
    id: 'retired-ca-removed',
    title: 'no CA that was rotated out is left among those that kube-apiserver takes clients from',
    layer: '401',
    files: [APISERVER, 'pki.yaml'],
    weaken: (posture) => {
      const bundle = flagOf(posture, 'kube-apiserver', 'client-ca-file')
      return bundle === undefined || bundle === BUNDLE ? posture : withRetiredCa(posture)
    },
    restore: (posture) =>
      flagOf(posture, 'kube-apiserver', 'client-ca-file') === BUNDLE ? withoutRetiredCa(posture) : posture,
  },
  {
    id: 'authorization-mode',
    title: 'kube-apiserver asks Node and RBAC before it does anything',
    cis: ['1.2.6', '1.2.7', '1.2.8'],
    layer: '403-rbac',
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'authorization-mode', 'AlwaysAllow'),
    restore: (posture) => withFlag(posture, 'kube-apiserver', 'authorization-mode', 'Node,RBAC'),
  },
  {
    id: 'node-authorizer',
    title: 'a kubelet may read only what its own Pods use (without it kubelets lose rights: it fails closed)',
    cis: ['1.2.7'],
    layer: '403-node',
    files: [APISERVER],
    weaken: (posture) => {
      const modes = listFlag(flagOf(posture, 'kube-apiserver', 'authorization-mode'), 'Node', false)
      return withFlag(posture, 'kube-apiserver', 'authorization-mode', modes)
    },
    restore: (posture) => {
      const modes = flagOf(posture, 'kube-apiserver', 'authorization-mode')?.split(',') ?? []
      const others = modes.filter((mode) => mode !== 'Node' && mode !== 'AlwaysAllow')
      return withFlag(posture, 'kube-apiserver', 'authorization-mode', ['Node', ...others].join(','))
    },
  },
  {
    id: 'node-restriction',
    title: 'a kubelet may change only its own Node and Pods',
    cis: ['1.2.14'],
    layer: 'admission',
    files: [APISERVER],
    weaken: (posture) => admissionPlugin(posture, 'NodeRestriction', false),
    restore: (posture) => admissionPlugin(posture, 'NodeRestriction', true),
  },
  {
    id: 'kubelet-client-certificate',
    title: 'kube-apiserver shows kubelets who it is; without it they turn it away like anyone',
    cis: ['1.2.4'],
    layer: '401',
    files: [APISERVER],
    weaken: (posture) =>
      ['kubelet-client-certificate', 'kubelet-client-key'].reduce(
        (changed, name) => withFlag(changed, 'kube-apiserver', name, undefined),
        posture,
      ),
    restore: (posture) => withKubeletClient(posture),
  },
  flagControl(
    {
      id: 'service-account-extend-token-expiration',
      title: 'a Pod token lives an hour, not a year',
      cis: ['1.2.30'],
      layer: 'ttl',
    },
    'service-account-extend-token-expiration',
    'false',
  ),
  {
    id: 'service-account-lookup',
    title: 'a token of a deleted ServiceAccount or Secret is worth nothing',
    cis: ['1.2.21'],
    layer: '401',
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'service-account-lookup', 'false'),
    restore: (posture) => withFlag(posture, 'kube-apiserver', 'service-account-lookup', undefined),
  },
  {
    id: 'requestheader-allowed-names',
    title: 'kube-apiserver believes the headers of a front proxy of certain names alone',
    layer: '401',
    files: [APISERVER],
    weaken: (posture) => withFlag(posture, 'kube-apiserver', 'requestheader-allowed-names', undefined),
    restore: (posture) => {
      const proxies = flagOf(posture, 'kube-apiserver', 'requestheader-client-ca-file')
      return proxies === undefined
        ? posture
        : withFlagsAtLeast(posture, 'kube-apiserver', { 'requestheader-allowed-names': 'front-proxy-client' })
    },
  },
  {
    id: 'scheduler-bind-address',
    title: 'kube-scheduler listens to its own machine only',
    cis: ['1.4.2'],
    layer: 'tcp',
    files: [SCHEDULER],
    weaken: (posture) => listening(posture, 'kube-scheduler', '0.0.0.0'),
    restore: (posture) => listening(posture, 'kube-scheduler', '127.0.0.1'),
  },
  {
    id: 'controller-manager-bind-address',
    title: 'kube-controller-manager listens to its own machine only',
    cis: ['1.3.7'],
    layer: 'tcp',
    files: [CONTROLLER_MANAGER],
    weaken: (posture) => listening(posture, 'kube-controller-manager', '0.0.0.0'),
    restore: (posture) => listening(posture, 'kube-controller-manager', '127.0.0.1'),
  },
]

const LAST_INSECURE_MINOR = 22

/** Up to v1.22 there was a second port, without TLS, whose address is another flag. */
function listening(posture: Posture, component: Component, address: string): Posture {
  const [file] = manifestsOf(posture, component)
  const version = file === undefined ? undefined : readManifest(file, posture.files.get(file) ?? '')?.version
  const bound = withFlag(posture, component, 'bind-address', address)
  if (version === undefined || Number(version.split('.')[1]) > LAST_INSECURE_MINOR) return bound
  return withFlag(bound, component, 'address', address === '0.0.0.0' ? undefined : address)
}

/** kube-apiserver with a certificate for kubelets, where it has none. */
export function withKubeletClient(posture: Posture): Posture {
  return withFlagsAtLeast(posture, 'kube-apiserver', {
    'kubelet-client-certificate': '/etc/kubernetes/pki/apiserver-kubelet-client.crt',
    'kubelet-client-key': '/etc/kubernetes/pki/apiserver-kubelet-client.key',
  })
}

const BUNDLE = '/etc/kubernetes/pki/client-ca-bundle.crt'

/** The CA of today and the one before it, which bore the same name. */
function withRetiredCa(posture: Posture): Posture {
  const current = posture.pki.authorities.find(
    ({ name }) => name === signingAuthority(posture.pki, 'ca', ['clientAuth']),
  )
  if (current === undefined) return posture
  const place = { on: 'control-plane', certificate: BUNDLE }
  const { name, commonName, files } = current
  const bundled = withPki(posture, ['authorities', name, 'files', files.length], place)
  const both = withPki(bundled, ['authorities', RETIRED_CA], { commonName, files: [place] })
  return withFlag(both, 'kube-apiserver', 'client-ca-file', BUNDLE)
}

function withoutRetiredCa(posture: Posture): Posture {
  const name = signingAuthority(posture.pki, 'ca', ['clientAuth'])
  const files = posture.pki.authorities.find((each) => each.name === name)?.files ?? []
  const at = files.findIndex(({ certificate }) => certificate === BUNDLE)
  const unbundled = withPki(posture, ['authorities', name, 'files', at], undefined)
  const alone = withPki(unbundled, ['authorities', RETIRED_CA], undefined)
  return withFlag(alone, 'kube-apiserver', 'client-ca-file', authorityFile(alone.pki, name))
}

/**
 * The TLS of kube-apiserver's listener, and of everybody who dials it. Kubernetes has had no plain port since v1.20, so
 * dropping the control takes the version with it: a v1.19 kube-apiserver with --insecure-port, and kubeconfigs that say
 * http://. What comes in there is neither authenticated nor authorized.
 */
import { editManifests, flagOf, manifestsOf, withFlag, withFlagsAtLeast, withPki } from '../change-posture.ts'
import type { Control } from '../control.ts'
import { clientIdentity } from '../kubeadm-identities.ts'
import { imageTag, readManifest, setImageTag, versionOf } from '../manifest.ts'
import type { Component } from '../component.ts'
import type { Posture } from '../posture.ts'
import { authorityFile, signingAuthority } from '../signing-authority.ts'
import { manifestPath } from './manifest-path.ts'

const LAST_WITH_INSECURE_PORT = 'v1.19.16'
const INSECURE_PORT = '8080'

export const APISERVER_TLS: Control = {
  id: 'apiserver-tls',
  title: 'kube-apiserver serves TLS only, and its clients ask for it',
  cis: ['1.2.24'],
  layer: 'crypto',
  files: [manifestPath('kube-apiserver'), 'pki.yaml'],
  weaken: (posture) => {
    if (isInsecure(posture)) return posture
    const old = editManifests(posture, 'kube-apiserver', (text) =>
      setImageTag(text, 'kube-apiserver', LAST_WITH_INSECURE_PORT),
    )
    const everywhere = withFlag(old, 'kube-apiserver', 'insecure-bind-address', '0.0.0.0')
    const open = withFlag(everywhere, 'kube-apiserver', 'insecure-port', INSECURE_PORT)
    return withServers(open, (server) => {
      const url = new URL(server)
      return url.protocol === 'https:' ? `http://${url.hostname}:${INSECURE_PORT}` : server
    })
  },
  restore: (posture) => {
    if (!isInsecure(posture)) return posture
    const closed = withoutInsecurePort(posture)
    const port = flagOf(closed, 'kube-apiserver', 'secure-port') ?? '6443'
    const secure = withServers(closed, (server) => {
      const url = new URL(server)
      return url.protocol === 'http:' ? `https://${url.hostname}:${port}` : server
    })
    return withFlagsAtLeast(withIdentities(secure), 'kube-apiserver', {
      ...(secure.pki.kubeconfigs.some(({ token }) => token) ? {} : { 'client-ca-file': clientCaFile(secure) }),
      'tls-cert-file': '/etc/kubernetes/pki/apiserver.crt',
      'tls-private-key-file': '/etc/kubernetes/pki/apiserver.key',
    })
  },
}

function isInsecure(posture: Posture): boolean {
  return (flagOf(posture, 'kube-apiserver', 'insecure-port') ?? '0') !== '0'
}

/** The version that a weakening took away is the scheduler's; a cluster that was old stays so, with the port shut. */
function withoutInsecurePort(posture: Posture): Posture {
  const closed = withFlag(posture, 'kube-apiserver', 'insecure-bind-address', undefined)
  const others = tagOf(posture, 'kube-scheduler') ?? ''
  if (knowsInsecurePort(others)) return withFlag(closed, 'kube-apiserver', 'insecure-port', '0')
  const current = withFlag(closed, 'kube-apiserver', 'insecure-port', undefined)
  return editManifests(current, 'kube-apiserver', (text) => setImageTag(text, 'kube-apiserver', others))
}

/** The flag was removed in v1.24. */
function knowsInsecurePort(tag: string): boolean {
  const [major = 0, minor = 0] = versionOf(`image:${tag}`).split('.').map(Number)
  return tag === '' || (major === 1 && minor < 24)
}

function tagOf(posture: Posture, component: Component): string | undefined {
  const [file] = manifestsOf(posture, component)
  const manifest = file === undefined ? undefined : readManifest(file, posture.files.get(file) ?? '')
  return manifest && imageTag(manifest.image)
}

function withServers(posture: Posture, change: (server: string) => string): Posture {
  return posture.pki.kubeconfigs.reduce(
    (changed, { name, server }) => withPki(changed, ['kubeconfigs', name, 'server'], change(server)),
    posture,
  )
}

/** Kubeconfigs of a cluster that had nothing to prove get what kubeadm of its version gives them. */
function withIdentities(posture: Posture): Posture {
  const version = versionOf(`image:${tagOf(posture, 'kube-apiserver') ?? ''}`)
  return posture.pki.kubeconfigs.reduce((changed, { name, certificateAuthority, client, token }) => {
    const verifying = certificateAuthority
      ? changed
      : withPki(changed, ['kubeconfigs', name, 'certificateAuthority'], 'ca')
    const identity = client || token ? undefined : clientIdentity(name, version)
    return identity ? withPki(verifying, ['kubeconfigs', name, 'client'], identity) : verifying
  }, posture)
}

function clientCaFile({ pki }: Posture): string {
  return authorityFile(pki, signingAuthority(pki, 'ca', ['clientAuth']))
}

/** Footholds that several scenarios start from, named once. */
import type { Foothold, Holding, LinkName, MintedCertificate } from '../attacker/foothold.ts'

/** A host on the same network, with nothing in its hands. */
export const STRANGER: Foothold = { name: 'stranger', stands: { on: 'net' }, holds: {} }

/** A host on the same network with one kubeconfig from a control-plane host's disk. */
export function thiefOf(
  kubeconfig: 'admin.conf' | 'super-admin.conf' | 'scheduler.conf' | 'controller-manager.conf',
): Foothold {
  return {
    name: kubeconfig.replace('.conf', ''),
    stands: { on: 'net' },
    holds: { credential: { stolen: `/etc/kubernetes/${kubeconfig}`, host: 'control-plane-1' } },
  }
}

/** Somebody with a copy of a member's disk. */
export const DISK_THIEF: Foothold = {
  name: 'disk thief',
  stands: { on: 'net' },
  holds: { etcd: { stolenFolder: '/var/lib/etcd', host: 'etcd-1' } },
}

/** A client certificate of kube-apiserver's, and its key, from the control plane's disk; or a pair from etcd-1's. */
export function stolenPair(name: PairName, as = 'credential'): Record<string, Holding> {
  const host = name.startsWith('etcd/') ? 'etcd-1' : 'control-plane-1'
  const file = (kind: 'crt' | 'key'): Holding => ({ stolen: `/etc/kubernetes/pki/${name}.${kind}`, host })
  return { [`${as}.crt`]: file('crt'), [`${as}.key`]: file('key') }
}

export type PairName =
  | 'apiserver-kubelet-client'
  | 'front-proxy-client'
  | 'apiserver-etcd-client'
  | 'etcd/healthcheck-client'
  | 'etcd/server'
  | 'etcd/peer'

/** A host on the same network with such a pair. */
export function thiefOfPair(name: PairName): Foothold {
  return { name, stands: { on: 'net' }, holds: stolenPair(name) }
}

/** Code in the goal's Pod on that worker, with the token that the Pod was given. */
export function podOn(host: 'worker-1' | 'worker-2'): Foothold {
  return {
    name: `a Pod of ${host}`,
    stands: { on: 'host', host },
    holds: { 'credential.token': { fromPod: '/var/run/secrets/kubernetes.io/serviceaccount/token' } },
  }
}

/** Root on a fallen worker, with the kubelet's own credential. */
export function fallen(host: 'worker-1' | 'worker-2'): Foothold {
  return {
    name: host,
    stands: { on: 'host', host },
    holds: { credential: { stolen: '/etc/kubernetes/kubelet.conf', host } },
  }
}

/** A host on the same network with a certificate that somebody signed for it. */
export function bearerOf(name: string, minted: MintedCertificate): Foothold {
  return { name, stands: { on: 'net' }, holds: { credential: { minted } } }
}

/** Hears one link and holds nothing. */
export function tapOn(link: LinkName): Foothold {
  return { name: 'tap', stands: { on: 'tap', link }, holds: {} }
}

/** The same tap, but the sessions' keys leaked: SSLKEYLOGFILE of the process that serves the link, or of who dials. */
export function tapWithKeys(link: LinkName): Foothold {
  const { to, from = '' } = link
  return {
    name: 'tap with the session keys',
    stands: { on: 'tap', link },
    holds: { keylog: { sessionKeysOf: to ?? from } },
  }
}

/** The network sends this link to the attacker, who answers with a certificate. */
export function onPath(name: string, link: LinkName, minted: MintedCertificate): Foothold {
  return { name, stands: { on: 'path', link }, holds: { impostor: { minted } } }
}

/** The network sends this link to the attacker, who holds all this; `impostor` is the certificate that it shows. */
export function onPathWith(name: string, link: LinkName, holds: Readonly<Record<string, Holding>>): Foothold {
  return { name, stands: { on: 'path', link }, holds }
}

/** Hears one link, and gets hold of all this sooner or later. */
export function tapWith(name: string, link: LinkName, holds: Readonly<Record<string, Holding>>): Foothold {
  return { name, stands: { on: 'tap', link }, holds }
}

/** An unprivileged user of a host who has taken the port of its component, with a certificate that he signed himself. */
export function squatterOn(host: string, link: LinkName): Foothold {
  const minted: MintedCertificate = {
    signedBy: 'self',
    commonName: host,
    usages: ['serverAuth'],
    dnsNames: [host],
    hosts: [host],
  }
  return { name: `a user of ${host}`, stands: { on: 'path', link, listensOn: host }, holds: { impostor: { minted } } }
}

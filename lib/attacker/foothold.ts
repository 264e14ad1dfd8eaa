/** What an attacker holds and where it stands. It can read nothing else. */
import type { AuthorityName, MintedCertificate, Signer } from '../cluster/minted-certificate.ts'
import type { LinkFilter } from '../wire/link.ts'

/**
 * A link: who dials whom, by host name, and the port dialled where several links share the two. Without `to` it is whoever
 * is dialled at that port: one who owns the network between kube-apiserver and etcd owns the way to every member. Without
 * `from` it is whoever dials: members of etcd dial each other.
 */
export type LinkName = LinkFilter

export type { AuthorityName, MintedCertificate, Signer }

export type Standing =
  /** A host of its own on the same network. */
  | { on: 'net' }
  /** Root on that host: dials from the host's face, and may write into this one folder of it. */
  | { on: 'host'; host: string; writes?: string }
  /** Listens on one link, sees what passes, changes nothing. */
  | { on: 'tap'; link: LinkName }
  /** The network sends this link to the attacker instead. */
  | {
      on: 'path'
      link: LinkName
      /** Where the attacker waits for it, if not on a host of its own. */
      listensOn?: string
    }
  /** An unprivileged user of that host: sees its files, and writes into this folder, as far as their modes allow. */
  | { on: 'machine'; host: string; uid: number; writes?: string }

/** A file in the foothold's folder. */
export type Holding =
  /** Copied from a host's disk, byte for byte. */
  | { stolen: string; host: string }
  /** A file of the goal's own Pod, as the process in its container reads it. */
  | { fromPod: string }
  /** A folder copied from a host's disk, regular files only. */
  | { stolenFolder: string; host: string }
  /** The TLS session keys of every process on a host, as an SSLKEYLOGFILE of them would hold. */
  | { sessionKeysOf: string }
  /** What somebody was told, such as a token. */
  | { told: string }
  /** A certificate and key (`<name>.crt`, `<name>.key`) that somebody signed for the attacker. */
  | { minted: MintedCertificate }

export interface Foothold {
  /** Short name for tables: `stranger`, `worker-1`, `admin`. */
  name: string
  stands: Standing
  /** File name in the foothold's folder -> what lies there. */
  holds: Readonly<Record<string, Holding>>
}

/** What can go wrong on a link on purpose. Data only: it crosses the control channel as it stands. */
import type { Direction } from './relay.ts'

export type Fault =
  /** Every byte comes that much later, in order. */
  | { kind: 'delay'; direction: Direction; ms: number }
  /** Swallowed from that byte on; the connection stands, and the sender believes it delivered. */
  | { kind: 'drop'; direction: Direction; afterBytes?: number }
  /** Neither taken nor given from that byte on, until it is mended: the sender's window fills. */
  | { kind: 'freeze'; direction: Direction; afterBytes?: number }
  /** A FIN after that byte, the rest swallowed; the other direction goes on. */
  | { kind: 'half-close'; direction: Direction; afterBytes?: number }
  /** FINs both ways after that byte: a connection that ends with nobody having said so. */
  | { kind: 'cut'; direction: Direction; afterBytes: number }
  /** RSTs both ways after that byte. */
  | { kind: 'reset'; direction: Direction; afterBytes?: number }
  /** A change of TLS records, on connections seen from their first byte. */
  | { kind: 'tamper'; direction: Direction; edit: Edit }

/** A link on which nothing moves, and nothing ends. */
export const FROZEN: readonly Fault[] = [
  { kind: 'freeze', direction: 'toCallee' },
  { kind: 'freeze', direction: 'toCaller' },
]

/** The record that an edit is about: the n-th (from 0) of its type, or of all. */
export interface RecordChoice {
  /** As `RECORD_TYPE` counts; at TLS 1.3 all that is sealed is application data. */
  type?: number
  index: number
}

export type Edit =
  /** One bit of the record's body: by default its very last. */
  | { act: 'flip'; record: RecordChoice; bit?: number }
  /** The record comes a second time. */
  | { act: 'replay'; record: RecordChoice }
  /** The record changes places with the next. */
  | { act: 'reorder'; record: RecordChoice }
  /** A FIN in the record's place: the end without a close_notify. */
  | { act: 'truncate'; record: RecordChoice }
  /** An alert in the clear before the record; whoever expects sealed records will not take it for one. */
  | { act: 'inject-alert'; record: RecordChoice; level: number; description: number }
  /** The ClientHello offers nothing above this version. */
  | { act: 'strip-versions'; above: number }
  /** The server's CertificateRequest goes missing, where it is in the clear (TLS 1.2). */
  | { act: 'drop-certificate-request' }

/**
 * The connection to a kubelet, with kube-apiserver's own client certificate. The kubelet's certificate is verified only if
 * --kubelet-certificate-authority is given, as in the real one.
 */
import type { TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'
import { dialFrom } from '../../../lib/cluster/place.ts'
import type { Place } from '../../../lib/cluster/place.ts'
import { witness } from '../../../lib/cluster/witness.ts'
import { klogS } from '../../../lib/kube/klog.ts'
import { dialTls } from '../../../lib/tls/dial.ts'
import type { KeyPair } from '../../../lib/tls/listen.ts'
import { NotLoopback } from '../../../lib/tls/loopback.ts'
import { dialPlain } from '../../../lib/tls/plain.ts'
import { refusalOf } from '../../../lib/tls/refusal.ts'
import type { Refusal } from '../../../lib/tls/refusal.ts'
import { hostPort } from './kubelet-address.ts'
import type { KubeletAddress } from './kubelet-address.ts'

export interface KubeletDialSettings {
  /** --kubelet-client-certificate and --kubelet-client-key, as the files are now. */
  keyPair: () => KeyPair | undefined
  /** --kubelet-certificate-authority; undefined: not verified. */
  caPem: () => string | undefined
  place: Place
}

/** Any end of a dial but a connection, in the words of Go's net and crypto/tls. */
export class DialError extends Error {
  override readonly name = 'DialError'
}

/** Rejects with a DialError. A certificate that was not accepted is witnessed. */
export async function dialKubelet(
  address: KubeletAddress,
  { keyPair, caPem, place }: KubeletDialSettings,
  { skipVerify = false } = {},
): Promise<TLSSocket> {
  const ca = caPem()
  const own = keyPair()
  const target = ownLoop(address.host, place)
  const from = dialFrom(place, target)
  try {
    return await dialTls({
      address: target,
      port: address.port,
      serverName: address.host,
      alpn: ['http/1.1'],
      insecureSkipVerify: skipVerify || ca === undefined,
      ...(ca !== undefined && { caPem: ca }),
      ...(own && { keyPair: own }),
      ...(from !== undefined && { localAddress: from }),
    })
  } catch (error) {
    throw dialError(error, address)
  }
}

/** nodes/proxy to another port than the kubelet's: no certificate is shown and none is looked at. */
export async function dialUnverified(address: KubeletAddress, scheme: string, place: Place): Promise<Socket> {
  const target = ownLoop(address.host, place)
  const from = dialFrom(place, target)
  const options = { address: target, port: address.port, ...(from !== undefined && { localAddress: from }) }
  try {
    if (scheme !== 'https') return await dialPlain(options)
    return await dialTls({ ...options, serverName: address.host, alpn: ['http/1.1'], insecureSkipVerify: true })
  } catch (error) {
    throw dialError(error, address)
  }
}

/** What a Node object calls 127.0.0.1 is, seen from here, this host's own loopback. */
function ownLoop(host: string, { loop }: Place): string {
  return loop !== undefined && (host === '127.0.0.1' || host === 'localhost') ? loop : host
}

const SYSTEM_TEXTS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENETUNREACH: 'network is unreachable',
  EHOSTUNREACH: 'no route to host',
  ECONNRESET: 'connection reset by peer',
}

function dialError(error: unknown, address: KubeletAddress): DialError {
  const dialled = address.host === 'localhost' ? { ...address, host: '127.0.0.1' } : address
  const where = `dial tcp ${hostPort(dialled)}`
  if (error instanceof NotLoopback) {
    klogS('W', 'kubelet_link', 'Not dialled', { err: error.message })
    return new DialError(`${where}: connect: network is unreachable`, { cause: error })
  }
  const refusal = refusalOf(error)
  if (refusal.layer === 'cert-verify') witnessRefusedCertificate(refusal, address)
  const system = SYSTEM_TEXTS[refusal.code]
  if (system !== undefined) return new DialError(`${where}: connect: ${system}`, { cause: refusal })
  return new DialError(refusal.message, { cause: refusal })
}

function witnessRefusedCertificate(refusal: Refusal, address: KubeletAddress): void {
  witness({
    about: 'certificate',
    decision: 'refuse',
    ...(refusal.details.local !== undefined && { local: refusal.details.local }),
    remote: refusal.details.remote ?? hostPort(address),
    layer: 'cert-verify',
    code: refusal.code,
    text: refusal.message,
  })
}

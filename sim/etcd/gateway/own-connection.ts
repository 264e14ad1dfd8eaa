/** The gateway is a client of its own member, over TLS with a certificate: what that connection meets. */
import { parseCertificate, type Certificate } from '../../../lib/x509/parse.ts'
import { certificatesFromPem } from '../../../lib/x509/pem.ts'
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'
import { handshakeVerifier, revocationProblem } from '../client-certificates.ts'
import type { TlsFiles } from '../config.ts'
import { readTlsFile } from '../tls-files.ts'

export interface OwnConnection {
  /** CN of the certificate, where the member asks for one. */
  commonName?: string
  /** Why the member refuses its own gateway, and with which words it logs that. */
  refusal?: { error: GrpcError; text: string; leaf?: Certificate }
}

/** With what grpc-go fails every call until the connection comes up. */
const refused = (): GrpcError =>
  new GrpcError(
    'Unavailable',
    'connection error: desc = "error reading server preface: remote error: tls: bad certificate"',
  )
const hungUp = (): GrpcError =>
  new GrpcError('Unavailable', 'connection error: desc = "error reading server preface: EOF"')

/** Looked at anew for each call, since the files may change. `caPem` is what the member trusts since its start. */
export function ownConnection(files: TlsFiles, caPem: string | undefined): OwnConnection {
  const verify = handshakeVerifier(files, caPem)
  if (!verify) return {}
  readTlsFile(files.gatewayKeyFile || files.keyFile)
  const peerChain = certificatesFromPem(readTlsFile(files.gatewayCertFile || files.certFile))
  const connection = { local: '', remote: '', peerChain }
  const verdict = verify(connection)
  if (verdict) return { refusal: { error: refused(), text: verdict.text } }
  const leaf = parseCertificate(peerChain[0]!)
  const revoked = revocationProblem(files, connection)
  if (revoked !== undefined) return { refusal: { error: hungUp(), text: revoked, leaf } }
  return { commonName: leaf.subject.commonName }
}

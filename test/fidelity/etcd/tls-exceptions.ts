/** Rows of tls.json that our member does not meet, and why. */
const NO_SIGNER = 'Node shows no issuer that may not sign, so the hint about it is missing; alert and refusal agree'
const NAME_LOST = 'the name that the client asked for is lost with a handshake that the client ends'

export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'mtls-issued-by-leaf-tls12-client': NO_SIGNER,
  'mtls-issued-by-leaf-tls13-client': NO_SIGNER,
  'mtls-sep-issued-by-leaf-tls12-client': NO_SIGNER,
  'mtls-sep-issued-by-leaf-tls13-client': NO_SIGNER,
  'mtls-verify-wrong-ca-tls12-client': NAME_LOST,
  'mtls-verify-wrong-ca-tls13-client': NAME_LOST,
  'mtls-grpc-path-over-http11-client':
    'Go leaves a client that offers http/1.1 alone without a protocol; OpenSSL knows an answer or an alert',
  'mtls-http10-in-tls-client': "Node's server answers HTTP/1.0 as HTTP/1.1",
  'mtls-http-smuggled-sslv2-client': 'whatever starts no TLS record is closed without an alert, SSLv2 too',
  'mtls-sep-wrong-ca-same-name-tls12-client':
    "OpenSSL's own look at an RSA CA of the same name and another key ends the handshake before our verdict",
}

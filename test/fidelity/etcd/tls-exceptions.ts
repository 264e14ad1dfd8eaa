/** Rows of tls.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'split-http-crl-wrong-ca-tls13-client':
    'the recorded client wrote into the refusal and met a reset in place of the alert',
  'mtls-http10-in-tls-client': "Node's server answers HTTP/1.0 as HTTP/1.1",
  'mtls-http-smuggled-sslv2-client': 'the recording lost the first byte, 0x80; test/lib/tls says what it brings about',
}

/** Rows of tls.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'split-http-crl-wrong-ca-tls13-client':
    'the recorded client wrote into the refusal and met a reset in place of the alert',
  'mtls-http10-in-tls-client': "Node's server answers HTTP/1.0 as HTTP/1.1",
  'mtls-http-smuggled-sslv2-client': 'the recording lost the first byte, 0x80; test/lib/tls says what it brings about',
  'mtls-http10-in-tls-peer': "Node's server answers HTTP/1.0 as HTTP/1.1",
  'mtls-http-smuggled-sslv2-peer': 'the recording lost the first byte, 0x80; test/lib/tls says what it brings about',
  'mtls-tls-then-silence-peer':
    "one blank and then nothing: Node's parser refuses the blank, Go's waits for the line to end",
  'path-post-leases-internal-peer':
    'the real one falls over and leaves the recording client waiting; peer.json has it that the connection is closed',
}

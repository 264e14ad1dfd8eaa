/** What Go's parser says of bytes that are no certificate; the message is Go's text to the letter. */
export class CertificateParseError extends Error {
  override readonly name = 'CertificateParseError'
}

/** For use as `reader.read(TAG) ?? refuse('x509: malformed …')`. */
export function refuse(text: string): never {
  throw new CertificateParseError(text)
}

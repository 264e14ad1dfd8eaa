/**
 * crypto/x509's domainNameValid: printable ASCII, no empty label, no trailing dot. Lengths are not checked (golang/go#75835). A constraint may
 * begin with a dot. The empty name is valid.
 */
export function isDomainName(name: string, constraint: boolean): boolean {
  if (name === '') return true
  const labels = constraint && name.startsWith('.') ? name.slice(1) : name
  return /^[\x21-\x2d\x2f-\x7e]+(\.[\x21-\x2d\x2f-\x7e]+)*$/.test(labels)
}

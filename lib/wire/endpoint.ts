/** An IPv4-mapped address in its IPv4 form, any other as it is. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** `ip:port`, an IPv6 address in brackets, as Go's net.JoinHostPort writes it. */
export function endpoint(address: string, port: number): string {
  const plain = plainAddress(address)
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`
}

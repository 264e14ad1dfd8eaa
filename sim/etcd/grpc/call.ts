/** One call of the v3 API, however it came: by gRPC or through the JSON gateway. */
export interface Caller {
  local: string
  remote: string
  /** CN of the client certificate, or its whole subject where it has none: for witnesses. */
  identity?: string
  serial?: string
  isSecure?: boolean
  /** CN of a client certificate that was verified, also where it is empty. */
  commonName?: string
}

export interface Call {
  caller: Caller
  /** A header of the request by its lower-case name. */
  metadata: (name: string) => string | undefined
  /** Called once when nobody waits for the answer any more. */
  onGone: (listener: () => void) => void
}

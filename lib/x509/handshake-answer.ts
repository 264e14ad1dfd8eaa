import { BAD_CERTIFICATE, DECODE_ERROR, UNSUPPORTED_CERTIFICATE } from './alert.ts'
import type { Certificate } from './certificate.ts'
import { CertificateParseError } from './errors.ts'
import { parseCertificate } from './parse.ts'
import { GO_KEY_TYPES } from './signature.ts'
import { verify, type VerifyCode, type VerifyOptions } from './verify.ts'

/**
 * What one end of a Go handshake answers to the certificates the other has sent, before it looks at the proof of possession
 * (which may still fail: a key below 1024 bits, P-224 in TLS 1.3, a stranger's private key).
 */
export type HandshakeAnswer =
  | { ok: true; chain: Certificate[] }
  /** `error` is the end's own error text; `code` our word for it: a VerifyCode or one of those below. */
  | { ok: false; alert: number; code: VerifyCode | HandshakeCode; error: string }

/** What is wrong with a chain that nobody has verified yet. */
export type HandshakeCode = 'unparsable' | 'rsa_key_too_large' | 'unsupported_public_key'

/** crypto/tls's defaultMaxRSAKeySize. */
const MAX_RSA_BITS = 8192

export interface ClientChainOptions extends Pick<VerifyOptions, 'roots' | 'time' | 'zoneMinutes'> {
  /** Go's RequestClientCert verifies nothing in the handshake, RequireAndVerifyClientCert everything. */
  mode: 'request' | 'require'
  version: 'TLSv1.2' | 'TLSv1.3'
}

/** crypto/tls's processCertsFromClient. `ders` is not empty. */
export function answerToClientChain(ders: readonly Buffer[], options: ClientChainOptions): HandshakeAnswer {
  // TLS 1.2's message does not decode with an empty certificate in it; TLS 1.3's does, and then that does not parse.
  if (options.version === 'TLSv1.2' && ders.some((der) => der.length === 0)) {
    return refused(DECODE_ERROR, 'unparsable', 'local error: tls: error decoding message')
  }
  const verification = options.mode === 'require' ? ({ ...options, usage: 'clientAuth' } as const) : undefined
  return answer(ders, verification, {
    parsing: 'tls: failed to parse client certificate: ',
    size: `tls: client sent certificate containing RSA key larger than ${MAX_RSA_BITS} bits`,
    key: 'tls: client certificate contains an unsupported public key of type ',
  })
}

/** crypto/tls's verifyServerCertificate; without options it is InsecureSkipVerify. `ders` is not empty. */
export function answerToServerChain(
  ders: readonly Buffer[],
  options: Pick<VerifyOptions, 'roots' | 'time' | 'zoneMinutes' | 'host'> | undefined,
): HandshakeAnswer {
  return answer(ders, options && { ...options, usage: 'serverAuth' }, {
    parsing: 'tls: failed to parse certificate from server: ',
    size: `tls: server sent certificate containing RSA key larger than ${MAX_RSA_BITS} bits`,
    key: "tls: server's certificate contains an unsupported type of public key: ",
  })
}

function answer(
  ders: readonly Buffer[],
  verification: VerifyOptions | undefined,
  texts: { parsing: string; size: string; key: string },
): HandshakeAnswer {
  const chain: Certificate[] = []
  for (const der of ders) {
    try {
      chain.push(parseCertificate(der))
    } catch (error) {
      if (error instanceof CertificateParseError) {
        return refused(DECODE_ERROR, 'unparsable', texts.parsing + error.message)
      }
      throw error
    }
    const key = chain.at(-1)?.publicKey
    if (key?.kind === 'RSA' && key.modulusBits > MAX_RSA_BITS) {
      return refused(BAD_CERTIFICATE, 'rsa_key_too_large', texts.size)
    }
  }
  const verdict = verification && verify(chain, verification)
  if (verdict && !verdict.ok) {
    return refused(verdict.alert, verdict.code, `tls: failed to verify certificate: ${verdict.error}`)
  }
  const key = chain[0]?.publicKey
  if (key === undefined || key.kind === 'DSA') {
    const type = key ? GO_KEY_TYPES[key.kind] : '<nil>'
    return refused(UNSUPPORTED_CERTIFICATE, 'unsupported_public_key', texts.key + type)
  }
  return { ok: true, chain }
}

function refused(alert: number, code: VerifyCode | HandshakeCode, error: string): HandshakeAnswer {
  return { ok: false, alert, code, error }
}

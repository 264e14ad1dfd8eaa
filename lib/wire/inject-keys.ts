import { readCapture } from './pcapng-read.ts'
import { decryptionSecrets } from './pcapng.ts'

/**
 * The same capture with a TLS key log inside (a Decryption Secrets Block, as `editcap --inject-secrets` makes it), so
 * that Wireshark shows it in the clear. Only for a premise that says that keys leaked.
 */
export function injectKeys(capture: Buffer, keyLog: string): Buffer {
  // Read once whole, so that what is no capture is refused.
  readCapture(capture)
  // Secrets hold for the packets behind them, in the byte order of the section: ours is little-endian.
  const sectionBytes = capture.readUInt32LE(4)
  return Buffer.concat([capture.subarray(0, sectionBytes), decryptionSecrets(keyLog), capture.subarray(sectionBytes)])
}

/** From flags to how kubelets are dialled. */
import type { Place } from '../../../lib/cluster/place.ts'
import type { FlagSet } from '../../../lib/settings/flag-set.ts'
import type { KeyPair } from '../../../lib/tls/listen.ts'
import { readText, watchedText } from '../credential-files.ts'
import { fileFlag } from '../file-flag.ts'
import type { ServerVersion } from '../server-version.ts'
import type { KubeletLink } from './kubelet-link.ts'

export function kubeletSettings(
  flags: FlagSet,
  { minor }: ServerVersion,
  place: Place,
): ConstructorParameters<typeof KubeletLink>[0] {
  const [cert, key] = [flags.string('kubelet-client-certificate'), flags.string('kubelet-client-key')]
  const before = 'problem initializing API group "": '
  const pair = cert === '' || key === '' ? undefined : laxPair(cert, key, before)
  const ca = fileFlag(flags, 'kubelet-certificate-authority', (path) => watchedText(path, readText(path, before)))
  return {
    keyPair: () => pair?.(),
    caPem: () => ca?.(),
    place,
    preferredAddressTypes: flags.list('kubelet-preferred-address-types'),
    minorVersion: minor,
  }
}

// a key that does not fit is found at the first dial, not at start
function laxPair(certPath: string, keyPath: string, before: string): () => KeyPair {
  const cert = watchedText(certPath, readText(certPath, before))
  const key = watchedText(keyPath, readText(keyPath, before))
  return () => ({ cert: cert(), key: key() })
}

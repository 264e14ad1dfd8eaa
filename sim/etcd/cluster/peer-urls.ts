/** The URLs under which members find each other (client/pkg/types/urls.go, NewURLs). */
import { ERRORS } from '../errors.ts'

/** In order, without blanks around them. @throws GrpcError InvalidArgument */
export function normalPeerUrls(urls: readonly string[]): string[] {
  const trimmed = urls.map((url) => url.trim())
  if (trimmed.length === 0 || !trimmed.every((url) => isPeerUrl(url))) throw ERRORS.badMemberUrls()
  return trimmed.sort()
}

function isPeerUrl(url: string): boolean {
  const [, host = '', port = ''] =
    /^(?:https?|unixs?):\/\/(\[[0-9a-fA-F:.%]+\]|[^/:?#[\]]*):([^/?#:]*)$/.exec(url) ?? []
  return host !== '' && /^\d+$/.test(port)
}

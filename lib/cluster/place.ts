/**
 * Where on the range's network a process stands. The range tells a simulated component by environment; a component
 * started by hand has no place and lives on 127.0.0.1.
 *
 * - MTLS_RANGE_HOST: the host's name
 * - MTLS_RANGE_FACE: the address it dials out from, and that others dial
 * - MTLS_RANGE_BACK: the address its listeners really bind; only the wire dials it
 * - MTLS_RANGE_LOOP: this host's own 127.0.0.1
 * - MTLS_RANGE_ROOT: the folder that stands for its root
 */
import { isLoopback } from '../tls/loopback.ts'

export interface Place {
  host: string
  face?: string
  back?: string
  loop?: string
  root?: string
}

export function placeFromEnvironment(env: NodeJS.ProcessEnv = process.env): Place {
  const place: Place = { host: env['MTLS_RANGE_HOST'] ?? '' }
  if (env['MTLS_RANGE_FACE']) place.face = env['MTLS_RANGE_FACE']
  if (env['MTLS_RANGE_BACK']) place.back = env['MTLS_RANGE_BACK']
  if (env['MTLS_RANGE_LOOP']) place.loop = env['MTLS_RANGE_LOOP']
  if (env['MTLS_RANGE_ROOT']) place.root = env['MTLS_RANGE_ROOT']
  return place
}

const WILDCARDS = new Set(['', '0.0.0.0', '::', '[::]', '*'])

/**
 * The addresses to bind for a listen flag. A wildcard means this host's back and loop. Without a place it means
 * 127.0.0.1, and the process says so on stderr, once; it means itself where there is no interface but `lo` to reach.
 */
export function listenAddresses(place: Place, address: string): string[] {
  if (!WILDCARDS.has(address)) return [address]
  const own = [place.back, place.loop].filter((each) => each !== undefined)
  if (own.length > 0) return own
  const wildcard = address.includes(':') ? '::' : '0.0.0.0'
  if (isLoopback(wildcard)) return [wildcard]
  if (!said.has(wildcard)) {
    said.add(wildcard)
    process.stderr.write(
      `[wildcard_confined] ${wildcard}: only addresses of the loopback interface are used, so this is 127.0.0.1 ` +
        '(give an address of 127/8 to choose another)\n',
    )
  }
  return ['127.0.0.1']
}

const said = new Set<string>()

/** The address to dial out from: the host's face, except to the host's own loop. */
export function dialFrom(place: Place, target: string): string | undefined {
  if (place.loop !== undefined && target === place.loop) return place.loop
  return place.face
}

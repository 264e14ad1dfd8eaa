/** How this package starts another Node process of its own. */
import { existsSync } from 'node:fs'

const NODE_MAJOR = Number(process.versions.node.split('.')[0])
const ENV = '/usr/bin/env'
const hasEnv = existsSync(ENV)

/**
 * The command line for a Node process with arguments. Test runners put themselves into every child by NODE_OPTIONS,
 * whatever environment one gives (tap: 400 ms instead of 32), so the variable is removed by env(1), after them.
 */
export function nodeCommand(args: readonly string[], options: { tls?: boolean } = {}): string[] {
  const node = [process.execPath, ...(options.tls ? withoutBundledRoots() : []), ...args]
  return hasEnv ? [ENV, '-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS', ...node] : node
}

/**
 * Up to Node 22 the first secure context parses the 150 bundled public roots (20 ms), which no component ever trusts.
 * The system's store in their place, pointed at nothing, is empty: see TLS_ENVIRONMENT.
 */
function withoutBundledRoots(): string[] {
  return NODE_MAJOR < 24 ? ['--use-openssl-ca'] : []
}

/** Environment that goes with `tls: true`. */
export const TLS_ENVIRONMENT: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: '/dev/null',
  SSL_CERT_DIR: '/nonexistent',
}

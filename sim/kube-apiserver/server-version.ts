/** The version that is stood in for, and what /version says of it. */
const DEFAULT_VERSION = 'v1.36.3'
/** Go releases that Kubernetes' minor versions are built with, as far as a posture may name them. */
const GO_VERSIONS: Readonly<Record<number, string>> = { 19: 'go1.15.5', 36: 'go1.26.8' }
const EMULATION_SINCE = 32
const BUILD_DATE = '2026-01-01T00:00:00Z'

export interface ServerVersion {
  /** `v1.36.3`, from the image tag of the manifest. */
  gitVersion: string
  minor: number
}

export function serverVersion(env: NodeJS.ProcessEnv = process.env): ServerVersion {
  const gitVersion = env['MTLS_RANGE_VERSION'] || DEFAULT_VERSION
  return { gitVersion, minor: Number(gitVersion.split('.')[1] ?? 0) }
}

export function versionInfo({ gitVersion, minor }: ServerVersion): object {
  const emulated =
    minor < EMULATION_SINCE
      ? {}
      : {
          emulationMajor: '1',
          emulationMinor: String(minor),
          minCompatibilityMajor: '1',
          minCompatibilityMinor: String(minor - 1),
        }
  return {
    major: '1',
    minor: String(minor),
    ...emulated,
    gitVersion,
    gitCommit: '0'.repeat(40),
    gitTreeState: 'clean',
    buildDate: BUILD_DATE,
    goVersion: GO_VERSIONS[minor] ?? 'go1.26.8',
    compiler: 'gc',
    platform: 'linux/amd64',
  }
}

/**
 * --admission-control-config-file, as far as a plugin of ours reads it: PodSecurityConfiguration, which stands in the file or in
 * one beside it. apiserver/pkg/admission/config.go, pod-security-admission/admission/api.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from '../../../../lib/settings/yaml.ts'
import { goQuote } from '../../../../lib/kube/go-quote.ts'
import type { FieldError } from '../../../../lib/kube/status.ts'
import { duplicate, invalidValue } from '../../registry/field-errors.ts'
import { StartRefusal } from '../../options.ts'
import { levelError, NO_SETTINGS, versionError } from './policy.ts'
import type { LevelVersion, Mode, PodSecuritySettings } from './policy.ts'

interface AdmissionConfiguration {
  apiVersion?: string
  kind?: string
  plugins?: { name?: string; path?: string; configuration?: object }[]
}

interface PodSecurityConfiguration {
  apiVersion?: string
  kind?: string
  defaults?: Record<string, string>
  exemptions?: Partial<Record<'usernames' | 'namespaces' | 'runtimeClasses', string[]>>
}

const MODES: readonly Mode[] = ['enforce', 'warn', 'audit']

/** @throws StartRefusal */
export function readPodSecurity(path: string): PodSecuritySettings {
  const file = read<AdmissionConfiguration>(path, (why) => {
    throw new StartRefusal(
      `failed to apply admission: failed to read plugin config: unable to read admission control configuration from ${goQuote(path)} [${why}]`,
    )
  })
  const named = (file?.plugins ?? []).find(({ name }) => name === 'PodSecurity')
  if (!named) return NO_SETTINGS
  const own = named.path ? resolve(dirname(path), named.path) : undefined
  const configuration =
    own === undefined
      ? named.configuration
      : read<PodSecurityConfiguration>(own, (why) => refuse(`unable to read admission control configuration: ${why}`))
  return settingsOf(configuration ?? {})
}

function settingsOf({
  apiVersion,
  kind,
  defaults = {},
  exemptions = {},
}: PodSecurityConfiguration): PodSecuritySettings {
  if (kind !== undefined && (kind !== 'PodSecurityConfiguration' || !VERSIONS.includes(apiVersion ?? ''))) {
    refuse(`no kind ${goQuote(kind)} is registered for version ${goQuote(apiVersion ?? '')}`)
  }
  const { usernames = [], namespaces = [], runtimeClasses = [] } = exemptions
  const errors: FieldError[] = []
  const check = (field: string, value: string, why: string | undefined): void => {
    if (why !== undefined) errors.push(invalidValue(`defaults.${field}`, value, why))
  }
  const held = MODES.map((mode): [Mode, LevelVersion] => {
    const level = defaults[mode] || 'privileged'
    const version = defaults[`${mode}-version`] || 'latest'
    check(mode, level, levelError(level))
    check(`${mode}-version`, version, versionError(version))
    return [mode, { level, version } as LevelVersion]
  })
  errors.push(
    ...repeated('namespaces', namespaces),
    ...repeated('runtimeClasses', runtimeClasses),
    ...repeated('usernames', usernames),
  )
  const texts = errors.map(({ field, message }) => `${field}: ${message}`)
  if (texts.length > 0) refuse(texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`)
  return {
    defaults: Object.fromEntries(held) as Record<Mode, LevelVersion>,
    exempt: { usernames, namespaces, runtimeClasses },
  }
}

const VERSIONS = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `pod-security.admission.config.k8s.io/${version}`)

function repeated(field: string, values: readonly string[]): FieldError[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index ? [duplicate(`exemptions.${field}[${index}]`, value)] : [],
  )
}

function refuse(why: string): never {
  throw new StartRefusal(`failed to apply admission: couldn't init admission plugin "PodSecurity": ${why}`)
}

function read<Shape>(path: string, fail: (why: string) => never): Shape | undefined {
  try {
    return parse(readFileSync(path, 'utf8')) as Shape
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return fail(code === 'ENOENT' ? `open ${path}: no such file or directory` : (message.split('\n')[0] ?? ''))
  }
}

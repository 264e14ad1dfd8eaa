/** The few kinds of change that controls are made of. Each gives another posture and leaves the one it was given. */
import type { Component } from './component.ts'
import { flagValue, readManifest, setFlag } from './manifest.ts'
import { editHostFiles, withFile, type Posture } from './posture.ts'
import { editYaml, YamlFile, type YamlPath } from './yaml-file.ts'

export const KUBELET_CONFIG = '/var/lib/kubelet/config.yaml'

/** Files of the posture that are a component's static Pod manifest. */
export function manifestsOf(posture: Posture, component: Component): string[] {
  return [...posture.files].flatMap(([file, text]) => {
    const isManifest = /^hosts\/[^/]+\/etc\/kubernetes\/manifests\/[^/]+\.(ya?ml|json)$/.test(file)
    return isManifest && readManifest(file, text)?.component === component ? [file] : []
  })
}

export function editManifests(
  posture: Posture,
  component: Component,
  edit: (text: string, file: string) => string,
): Posture {
  return manifestsOf(posture, component).reduce(
    (changed, file) => withFile(changed, file, edit(changed.files.get(file) ?? '', file)),
    posture,
  )
}

/** Sets a flag in every manifest of a component, or removes it where `value` is undefined. */
export function withFlag(posture: Posture, component: Component, name: string, value: string | undefined): Posture {
  return editManifests(posture, component, (text, file) => setFlag(file, text, name, value))
}

/** Sets flags that are not there yet; those that are keep their value. */
export function withFlagsAtLeast(
  posture: Posture,
  component: Component,
  flags: Readonly<Record<string, string>>,
): Posture {
  return Object.entries(flags).reduce(
    (changed, [name, value]) =>
      flagOf(changed, component, name) === undefined ? withFlag(changed, component, name, value) : changed,
    posture,
  )
}

/** A flag's value in the first manifest of a component. */
export function flagOf(posture: Posture, component: Component, name: string): string | undefined {
  const [file] = manifestsOf(posture, component)
  return file === undefined ? undefined : flagValue(posture.files.get(file) ?? '', name)
}

/** Sets a field of every KubeletConfiguration, or removes it where `value` is undefined. */
export function withKubeletField(posture: Posture, path: YamlPath, value: unknown): Posture {
  return editHostFiles(posture, KUBELET_CONFIG, (text, file) => editYaml(file, text, path, value))
}

/** A field of the first KubeletConfiguration. */
export function kubeletField(posture: Posture, path: YamlPath): unknown {
  const found = [...posture.files].find(([file]) => file.endsWith(KUBELET_CONFIG))
  return found && new YamlFile(found[0], found[1]).get(path)
}

export function withPki(posture: Posture, path: YamlPath, value: unknown): Posture {
  return withFile(posture, 'pki.yaml', editYaml('pki.yaml', posture.files.get('pki.yaml') ?? '', path, value))
}

/** Items of a comma-separated flag with one added in alphabetical order, or taken out; undefined when none is left. */
export function listFlag(value: string | undefined, item: string, present: boolean): string | undefined {
  const items = (value ?? '').split(',').filter((each) => each !== '')
  if (items.includes(item) === present) return value
  const changed = present ? [...items, item].toSorted() : items.filter((each) => each !== item)
  return changed.length > 0 ? changed.join(',') : undefined
}

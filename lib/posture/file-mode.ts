import { came, type YamlFile, type YamlPath } from './yaml-file.ts'

/** `'0600'`: quoted, because YAML 1.2 reads a bare 0600 as six hundred. */
export function fileMode(yaml: YamlFile, path: YamlPath, otherwise: number): number {
  const text = yaml.get(path)
  if (text === undefined) return otherwise
  if (typeof text !== 'string' || !/^0?[0-7]{3}$/.test(text)) {
    yaml.fail(path, `must be a quoted octal mode such as '0600', got ${came(text)}`)
  }
  return Number.parseInt(text, 8)
}

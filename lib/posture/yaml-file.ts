/** A YAML file of a posture: read with errors that name file and line, and edited without touching the rest of it. */
import {
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseAllDocuments,
  parseDocument,
  type Document,
  type YAMLParseError,
} from '../settings/yaml.ts'

export type YamlPath = readonly (string | number)[]

/** How the posture's files are written after an edit: as Kubernetes' own tools indent them. */
export const YAML_STYLE = { indentSeq: false, lineWidth: 0 } as const

/** Both count from 1, as editors do. */
export interface TextPlace {
  line: number
  column: number
}

export class PostureError extends Error {
  readonly code: string
  /** Path below the posture's folder. */
  readonly file: string
  readonly place: TextPlace | undefined
  readonly rule: string

  constructor(code: string, file: string, place: TextPlace | undefined, rule: string) {
    super(`[${code}] ${file}${place === undefined ? '' : `:${place.line}:${place.column}`}: ${rule}`)
    this.code = code
    this.file = file
    this.place = place
    this.rule = rule
  }
}

/** One document, with the place of everything in it. */
export class YamlFile {
  readonly file: string
  readonly document: Document
  readonly #lines = new LineCounter()
  #data: { root: unknown } | undefined

  /** @throws PostureError `[yaml_syntax]` with line and column of the first fault. */
  constructor(file: string, text: string) {
    this.file = file
    this.document = parseDocument(text, { lineCounter: this.#lines })
    const fault = this.document.errors[0]
    if (fault) throw syntaxError(file, fault, this.#lines)
  }

  /** The value at a path as plain data. */
  get(path: YamlPath): unknown {
    this.#data ??= { root: this.document.toJS() as unknown }
    let value = this.#data.root
    for (const key of path) {
      if (typeof value !== 'object' || value === null) return undefined
      value = Reflect.get(value, key)
    }
    return value
  }

  fail(path: YamlPath, rule: string): never {
    const where = path.join('.')
    throw new PostureError('posture_field', this.file, this.placeOf(path), where ? `${where}: ${rule}` : rule)
  }

  /** Place of a value, or of the nearest thing around it that exists. */
  placeOf(path: YamlPath): TextPlace | undefined {
    for (let length = path.length; length >= 0; length--) {
      const node: unknown = length === 0 ? this.document.contents : this.document.getIn(path.slice(0, length), true)
      if (!isNode(node) || !node.range) continue
      const { line, col } = this.#lines.linePos(node.range[0])
      return { line, column: col }
    }
    return undefined
  }

  string(path: YamlPath): string {
    const value = this.get(path)
    if (typeof value !== 'string' || value === '') this.fail(path, `must be text, got ${came(value)}`)
    return value
  }

  optionalString(path: YamlPath): string | undefined {
    return this.get(path) === undefined ? undefined : this.string(path)
  }

  flag(path: YamlPath): boolean {
    const value = this.get(path) ?? false
    if (typeof value !== 'boolean') this.fail(path, `must be true or false, got ${came(value)}`)
    return value
  }

  /** A list of texts; absent means empty. */
  strings(path: YamlPath): string[] {
    return this.list(path).map((_, index) => this.string([...path, index]))
  }

  oneOf<T extends string>(path: YamlPath, choices: readonly T[], otherwise?: T): T {
    const value = this.get(path)
    if (value === undefined && otherwise !== undefined) return otherwise
    const found = choices.find((choice) => choice === value)
    return found ?? this.fail(path, `must be one of ${choices.join(', ')}, got ${came(value)}`)
  }

  list(path: YamlPath): unknown[] {
    const value = this.get(path) ?? []
    if (!Array.isArray(value)) this.fail(path, `must be a list, got ${came(value)}`)
    return value
  }

  /** Keys of a mapping in the order they stand; absent means none. */
  keys(path: YamlPath): string[] {
    const value = this.get(path) ?? {}
    if (typeof value !== 'object' || Array.isArray(value)) this.fail(path, `must be a mapping, got ${came(value)}`)
    return Object.keys(value)
  }

  /** Refuses a key that nobody reads: a misspelt setting must not be silently without effect. */
  only(path: YamlPath, known: readonly string[]): void {
    for (const key of this.keys(path)) {
      if (!known.includes(key)) this.fail([...path, key], `is not a field here; known are ${known.join(', ')}`)
    }
  }
}

/** @throws PostureError `[yaml_syntax]` for the first fault in any of a file's documents. */
export function checkSyntax(file: string, text: string): void {
  const lineCounter = new LineCounter()
  for (const { errors } of parseAllDocuments(text, { lineCounter })) {
    if (errors[0]) throw syntaxError(file, errors[0], lineCounter)
  }
}

function syntaxError(file: string, fault: YAMLParseError, lines: LineCounter): PostureError {
  const { line, col } = lines.linePos(fault.pos[0])
  const rule = fault.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? ''
  return new PostureError('yaml_syntax', file, { line, column: col }, rule)
}

/**
 * The text with the value at `path` set, or removed where `value` is undefined. A new key goes where the alphabet puts
 * it, which is how Kubernetes' own tools order them; a mapping that becomes empty by a removal goes too.
 */
export function editYaml(file: string, text: string, path: YamlPath, value: unknown): string {
  const { document } = new YamlFile(file, text)
  if (value === undefined) {
    if (!document.hasIn(path)) return text
    document.deleteIn(path)
    for (let length = path.length - 1; length > 0; length--) {
      const parent: unknown = document.getIn(path.slice(0, length), true)
      if (!isMap(parent) || parent.items.length > 0) break
      document.deleteIn(path.slice(0, length))
    }
    return document.toString(YAML_STYLE)
  }
  if (JSON.stringify(document.getIn(path)) === JSON.stringify(value)) return text
  for (let length = 0; length < path.length; length++) addInOrder(document, path, length, value)
  document.setIn(path, typeof value === 'object' ? document.createNode(value) : value)
  return document.toString(YAML_STYLE)
}

function addInOrder(document: Document, path: YamlPath, length: number, value: unknown): void {
  const parent: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
  const key = path[length]
  if (!isMap(parent) || typeof key !== 'string' || parent.has(key)) return
  const last = length === path.length - 1
  const pair = document.createPair(key, last ? value : {})
  const keys = parent.items.map(({ key }) => String(isScalar(key) ? key.value : key))
  const sorted = keys.every((each, index) => index === 0 || keys[index - 1]! <= each)
  const after = sorted ? keys.findIndex((each) => each > key) : -1
  if (after === -1) parent.items.push(pair)
  else parent.items.splice(after, 0, pair)
}

/** A value in a message, short. */
export function came(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

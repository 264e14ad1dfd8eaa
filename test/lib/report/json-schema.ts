/** Checks a value against a JSON Schema (2020-12), as far as row-schema.json goes; any other keyword is an error. */

export type Schema = Readonly<Record<string, unknown>>

/** What is wrong with the value, as `path: rule`; empty where it is valid. */
export function schemaErrors(root: Schema, value: unknown): string[] {
  return errorsAt(root, root, value, '$')
}

const SILENT = new Set(['$schema', '$defs', 'title', 'description'])

type Rule = (argument: never, value: unknown, at: { root: Schema; schema: Schema; path: string }) => string[]

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const TYPES: Record<string, (value: unknown) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
}

const RULES: Record<string, Rule> = {
  type: (type: string, value, { path }) => (TYPES[type]?.(value) ? [] : [`${path}: not of type ${type}`]),
  enum: (values: unknown[], value, { path }) =>
    values.includes(value) ? [] : [`${path}: ${JSON.stringify(value)} is none of ${values.join(', ')}`],
  const: (wanted: unknown, value, { path }) => (value === wanted ? [] : [`${path}: is not ${JSON.stringify(wanted)}`]),
  pattern: (pattern: string, value, { path }) =>
    typeof value === 'string' && !new RegExp(pattern, 'u').test(value) ? [`${path}: does not match ${pattern}`] : [],
  minLength: (least: number, value, { path }) =>
    typeof value === 'string' && value.length < least ? [`${path}: shorter than ${least}`] : [],
  minimum: (least: number, value, { path }) =>
    typeof value === 'number' && value < least ? [`${path}: less than ${least}`] : [],
  maximum: (most: number, value, { path }) =>
    typeof value === 'number' && value > most ? [`${path}: more than ${most}`] : [],
  required: (names: string[], value, { path }) =>
    isObject(value) ? names.filter((name) => !(name in value)).map((name) => `${path}: lacks ${name}`) : [],
  properties: (schemas: Record<string, Schema>, value, { root, path }) =>
    isObject(value)
      ? Object.entries(schemas).flatMap(([name, schema]) =>
          name in value ? errorsAt(root, schema, value[name], `${path}.${name}`) : [],
        )
      : [],
  additionalProperties: (allowed: boolean, value, { schema, path }) => {
    const known = (schema['properties'] ?? {}) as object
    if (allowed || !isObject(value)) return []
    return Object.keys(value).flatMap((name) => (name in known ? [] : [`${path}: ${name} is not known`]))
  },
  items: (schema: Schema, value, { root, path }) =>
    Array.isArray(value) ? value.flatMap((item, index) => errorsAt(root, schema, item, `${path}[${index}]`)) : [],
  oneOf: (schemas: Schema[], value, { root, path }) => {
    const tries = schemas.map((schema) => errorsAt(root, schema, value, path))
    const fitting = tries.filter((errors) => errors.length === 0).length
    return fitting === 1 ? [] : [`${path}: fits ${fitting} of ${schemas.length} forms (${tries.flat().join('; ')})`]
  },
  $ref: (pointer: string, value, { root, path }) => {
    const target = pointer
      .slice(2)
      .split('/')
      .reduce<unknown>((at, name) => (at as Schema | undefined)?.[name], root)
    if (!isObject(target)) throw new Error(`[schema_ref] ${pointer}: leads nowhere`)
    return errorsAt(root, target, value, path)
  },
}

function errorsAt(root: Schema, schema: Schema, value: unknown, path: string): string[] {
  return Object.entries(schema).flatMap(([keyword, argument]) => {
    if (SILENT.has(keyword)) return []
    const rule = RULES[keyword]
    if (!rule) throw new Error(`[schema_keyword] ${keyword}: this reader does not know it`)
    return rule(argument as never, value, { root, schema, path })
  })
}

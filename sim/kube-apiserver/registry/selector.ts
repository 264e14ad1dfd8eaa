/** labelSelector and fieldSelector: apimachinery/pkg/labels/selector.go, apimachinery/pkg/fields/selector.go. */
import type { KubeObject } from '../../../lib/kube/object.ts'
import { badRequest } from '../../../lib/kube/status.ts'
import { parseFieldSelector } from '../authorization/field-selector.ts'
import type { Resource } from './resource.ts'

export type Selects = (object: KubeObject) => boolean

interface LabelRequirement {
  key: string
  operator: 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt'
  values: string[]
}

/** Undefined where every object is selected. Throws 400 for what is no selector, or a field that cannot be selected by. */
export function selectorOf(resource: Resource, labelSelector: string, fieldSelector: string): Selects | undefined {
  const labels = parseLabelSelector(labelSelector)
  const fields = fieldTests(resource, fieldSelector)
  if (labels.length === 0 && fields.length === 0) return undefined
  return (object) =>
    fields.every((test) => test(object)) && labels.every((each) => matches(each, object.metadata.labels ?? {}))
}

function fieldTests({ namespaced, strategy }: Resource, text: string): Selects[] {
  const requirements = parseFieldSelector(text)
  if (!requirements) throw badRequest(`invalid field selector: ${fieldSelectorError(text)}`)
  return requirements.map(({ field, operator, value }) => {
    const read =
      field === 'metadata.name'
        ? (object: KubeObject) => object.metadata.name ?? ''
        : field === 'metadata.namespace' && namespaced
          ? (object: KubeObject) => object.metadata.namespace ?? ''
          : strategy.selectableFields?.[field]
    if (!read) throw badRequest(strategy.selectableFields ? `field label not supported: ${field}` : notKnown(field))
    return (object) => (read(object) === value) === (operator === '=')
  })
}

// the default conversion function has other words than those of the kinds that know fields of their own
function notKnown(field: string): string {
  return `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
}

function fieldSelectorError(text: string): string {
  const value = text.replace(/^[^=]*={1,2}/, '')
  const at = /[=,]/.exec(value)
  return at
    ? `unescaped character in value: ${at[0].charCodeAt(0)}`
    : `invalid selector: '${text}'; can't understand '${text}'`
}

function matches({ key, operator, values }: LabelRequirement, labels: Record<string, string>): boolean {
  const value = labels[key]
  switch (operator) {
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'in':
      return value !== undefined && values.includes(value)
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'lt':
      return value !== undefined && Number(value) < Number(values[0])
  }
}

const TOKEN = /\s*(==|!=|=|!|\(|\)|,|<|>|[^\s=!(),<>]+)/y

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.trimEnd().length;) {
    const found = TOKEN.exec(text)
    if (!found?.[1]) break
    tokens.push(found[1])
  }
  return tokens
}

export function parseLabelSelector(text: string): LabelRequirement[] {
  const tokens = tokensOf(text)
  const requirements: LabelRequirement[] = []
  const fail = (why: string): never => {
    throw badRequest(`unable to parse requirement: ${why}`)
  }
  const identifier = (): string => {
    const token = tokens.shift()
    if (token === undefined || /^[=!(),<>]/.test(token)) return fail(`found '${token ?? ''}', expected: identifier`)
    return token
  }
  while (tokens.length > 0) {
    const absent = tokens[0] === '!'
    if (absent) tokens.shift()
    const key = identifier()
    const next = absent ? undefined : tokens[0]
    if (next === undefined || next === ',')
      requirements.push({ key, operator: absent ? 'absent' : 'exists', values: [] })
    else requirements.push({ key, ...comparison(tokens, fail, identifier) })
    const separator = tokens.shift()
    if (separator !== undefined && separator !== ',') fail(`found '${separator}', expected: ',' or 'end of string'`)
    if (separator === ',' && tokens.length === 0) fail(`found '', expected: identifier after ','`)
  }
  return requirements
}

function comparison(
  tokens: string[],
  fail: (why: string) => never,
  identifier: () => string,
): Pick<LabelRequirement, 'operator' | 'values'> {
  const operator = tokens.shift() ?? ''
  if (operator === '=' || operator === '==' || operator === '!=') {
    const bare = tokens[0] === undefined || tokens[0] === ','
    return { operator: operator === '!=' ? 'notin' : 'in', values: [bare ? '' : identifier()] }
  }
  if (operator === '>' || operator === '<') return { operator: operator === '>' ? 'gt' : 'lt', values: [identifier()] }
  if (operator !== 'in' && operator !== 'notin') {
    return fail(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`)
  }
  const open = tokens.shift()
  if (open !== '(') return fail(`found '${open ?? ''}' expected: '('`)
  const values: string[] = []
  for (let token = tokens.shift(); token !== ')'; token = tokens.shift()) {
    if (token === undefined) return fail(`found '', expected: ',' or ')'`)
    if (token !== ',') values.push(token)
  }
  return { operator, values }
}

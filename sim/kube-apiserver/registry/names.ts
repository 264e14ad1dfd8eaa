/** What may be a name, a label or a key: apimachinery/pkg/util/validation/validation.go. Each says why not, in Go's words. */
const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const LABEL_VALUE = `(${QUALIFIED})?`
const CONFIG_KEY = '[-._a-zA-Z0-9]+'

function whole(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}

const IS_LABEL = whole(LABEL)
const IS_LABEL_1035 = whole(LABEL_1035)
const IS_SUBDOMAIN = whole(SUBDOMAIN)
const IS_QUALIFIED = whole(QUALIFIED)
const IS_LABEL_VALUE = whole(LABEL_VALUE)
const IS_CONFIG_KEY = whole(CONFIG_KEY)

function regexUsed(pattern: string, ...examples: string[]): string {
  return `(e.g. ${examples.map((each) => `'${each}'`).join(',  or ')}, regex used for validation is '${pattern}')`
}

function tooLong(limit: number): string {
  return `must be no more than ${limit} bytes`
}

export function labelErrors(name: string): string[] {
  const errors = name.length > 63 ? [tooLong(63)] : []
  if (IS_LABEL.test(name)) return errors
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
  return [...errors, `${rule} ${regexUsed(LABEL, 'my-name', '123-abc')}`]
}

export function label1035Errors(name: string): string[] {
  const errors = name.length > 63 ? [tooLong(63)] : []
  if (IS_LABEL_1035.test(name)) return errors
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
  return [...errors, `${rule} ${regexUsed(LABEL_1035, 'my-name', 'abc-123')}`]
}

export function subdomainErrors(name: string): string[] {
  const errors = name.length > 253 ? [tooLong(253)] : []
  if (IS_SUBDOMAIN.test(name)) return errors
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
  return [...errors, `${rule} ${regexUsed(SUBDOMAIN, 'example.com')}`]
}

/** Names of RBAC objects: whatever may stand between two slashes. */
export function pathSegmentErrors(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((character) => name.includes(character)).map((character) => `may not contain '${character}'`)
}

/** The key of a label or annotation. */
export function qualifiedNameErrors(key: string): string[] {
  const parts = key.split('/')
  const rule = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`
  const used = regexUsed(QUALIFIED, 'MyName', 'my.name', '123-abc')
  if (parts.length > 2) {
    return [
      `a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character ${used} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const name = parts.at(-1) ?? ''
  const errors: string[] = []
  if (parts.length === 2) {
    const [prefix = ''] = parts
    if (prefix === '') errors.push('prefix part must be non-empty')
    else errors.push(...subdomainErrors(prefix).map((error) => `prefix part ${error}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (name.length > 63) errors.push(`name part ${tooLong(63)}`)
  return IS_QUALIFIED.test(name) ? errors : [...errors, `name part ${rule} ${used}`]
}

export function labelValueErrors(value: string): string[] {
  const errors = value.length > 63 ? [tooLong(63)] : []
  if (IS_LABEL_VALUE.test(value)) return errors
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  return [...errors, `${rule} ${regexUsed(LABEL_VALUE, 'MyValue', 'my_value', '12345')}`]
}

/** A key of a ConfigMap or Secret. */
export function configKeyErrors(key: string): string[] {
  if (key.length > 253) return [tooLong(253)]
  if (!IS_CONFIG_KEY.test(key)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    return [`${rule} ${regexUsed(CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name')}`]
  }
  if (key === '.') return ["must not be '.'"]
  return key.startsWith('..') ? ["must not start with '..'"] : []
}

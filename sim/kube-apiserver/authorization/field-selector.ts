/** Field selectors as kube-apiserver splits them: apimachinery/pkg/fields/selector.go. */
export interface FieldRequirement {
  field: string
  operator: '=' | '!='
  value: string
}

/** The terms of `a=b,c!=d`; `\\`, `\,` and `\=` are escapes. `undefined` where it is no selector. */
export function parseFieldSelector(text: string): FieldRequirement[] | undefined {
  const requirements: FieldRequirement[] = []
  for (const term of splitTerms(text)) {
    if (term === '') continue
    const found = /^((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)$/s.exec(term)
    const [, field, operator, value] = found ?? []
    if (field === undefined || operator === undefined || value === undefined) return undefined
    requirements.push({ field, operator: operator === '!=' ? '!=' : '=', value: value.replace(/\\([\\,=])/g, '$1') })
  }
  return requirements
}

/** The value that one of the requirements demands of a field. */
export function exactMatch(requirements: readonly FieldRequirement[], field: string): string | undefined {
  return requirements.find((each) => each.field === field && each.operator === '=')?.value
}

function splitTerms(text: string): string[] {
  return text.match(/(?:\\.|[^\\,])+/gs) ?? []
}

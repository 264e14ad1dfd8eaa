/**
 * A pure function of a text that remembers its last answers: a run renders the same manifests many times, and parsing
 * YAML is most of what that costs. What throws is not remembered.
 */
export function remembered<T>(read: (text: string) => T, limit = 64): (text: string) => T {
  const answers = new Map<string, { answer: T }>()
  return (text) => {
    const known = answers.get(text)
    if (known) return known.answer
    const answer = read(text)
    if (answers.size >= limit) answers.delete(answers.keys().next().value ?? '')
    answers.set(text, { answer })
    return answer
  }
}

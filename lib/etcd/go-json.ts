/** Finds the end of a JSON value, with the words of Go's encoding/json for what is none (scanner.go). */
const DEEPEST = 10_000

const SPACE = new Set([' ', '\t', '\r', '\n'])
const LITERALS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' }

/**
 * The first value of a text, blanks before it left out; undefined where there is nothing but blanks. What follows is not
 * looked at, as json.Decoder does not. The text is bytes as latin1. @throws Error with Go's text.
 */
export function firstJsonValue(text: string): string | undefined {
  let start = 0
  while (start < text.length && SPACE.has(text[start]!)) start += 1
  if (start === text.length) return undefined
  return text.slice(start, new JsonScanner(text, start).end())
}

/** A scanner over a text that may go on behind the value. */
class JsonScanner {
  readonly #text: string
  #at: number
  /** `}` or `]` for each object or array that is open. */
  readonly #open: string[] = []

  constructor(text: string, at: number) {
    this.#text = text
    this.#at = at
  }

  /** Just behind the value. */
  end(): number {
    let isKey = false
    let mayClose = false
    do {
      this.#skipSpace()
      const character = this.#peek()
      if (mayClose && character === this.#open.at(-1)) {
        this.#at += 1
        this.#open.pop()
      } else if (isKey) {
        if (character !== '"') this.#refuse('looking for beginning of object key string')
        this.#string()
        this.#skipSpace()
        if (this.#peek() !== ':') this.#refuse('after object key')
        this.#at += 1
        ;[isKey, mayClose] = [false, false]
        continue
      } else if (character === '{' || character === '[') {
        this.#at += 1
        this.#open.push(character === '{' ? '}' : ']')
        if (this.#open.length > DEEPEST) throw new Error('exceeded max depth')
        ;[isKey, mayClose] = [character === '{', true]
        continue
      } else this.#scalar(character)
      // A value is over: so are, perhaps, those around it.
      const next = this.#afterValue()
      ;[isKey, mayClose] = [next === '}', false]
    } while (this.#open.length > 0)
    return this.#at
  }

  /** Takes the comma or the closings behind a value; the kind of what is still open. */
  #afterValue(): string | undefined {
    for (;;) {
      const open = this.#open.at(-1)
      if (open === undefined) return undefined
      this.#skipSpace()
      const character = this.#peek()
      if (character === ',') {
        this.#at += 1
        return open
      }
      if (character !== open) this.#refuse(open === '}' ? 'after object key:value pair' : 'after array element')
      this.#at += 1
      this.#open.pop()
    }
  }

  #scalar(character: string): void {
    const literal = LITERALS[character]
    if (character === '"') this.#string()
    else if (literal) this.#literal(literal)
    else if (character === '-' || isDigit(character)) this.#number()
    else this.#refuse('looking for beginning of value')
  }

  #string(): void {
    this.#at += 1
    for (;;) {
      const character = this.#peek()
      if (character < ' ') this.#refuse('in string literal')
      this.#at += 1
      if (character === '"') return
      if (character !== '\\') continue
      const escape = this.#peek()
      if (!'bfnrt\\/"u'.includes(escape)) this.#refuse('in string escape code')
      this.#at += 1
      if (escape === 'u') this.#hexadecimal()
    }
  }

  #hexadecimal(): void {
    for (let count = 0; count < 4; count += 1, this.#at += 1)
      if (!/[0-9a-fA-F]/.test(this.#peek())) this.#refuse('in \\u hexadecimal character escape')
  }

  #literal(literal: string): void {
    for (let index = 1; index < literal.length; index += 1) {
      this.#at += 1
      if (this.#peek() !== literal[index]) this.#refuse(`in literal ${literal} (expecting '${literal[index]}')`)
    }
    this.#at += 1
  }

  #number(): void {
    if (this.#peek() === '-') this.#at += 1
    if (!isDigit(this.#peek())) this.#refuse('in numeric literal')
    if (this.#peek() === '0') this.#at += 1
    else this.#digits()
    if (this.#text[this.#at] === '.') {
      this.#at += 1
      if (!isDigit(this.#peek())) this.#refuse('after decimal point in numeric literal')
      this.#digits()
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at += 1
      if ('+-'.includes(this.#peek())) this.#at += 1
      if (!isDigit(this.#peek())) this.#refuse('in exponent of numeric literal')
      this.#digits()
    }
  }

  #digits(): void {
    while (isDigit(this.#text[this.#at] ?? '')) this.#at += 1
  }

  #skipSpace(): void {
    while (SPACE.has(this.#text[this.#at] ?? '')) this.#at += 1
  }

  #peek(): string {
    const character = this.#text[this.#at]
    if (character === undefined) throw new Error('unexpected EOF')
    return character
  }

  #refuse(where: string): never {
    throw new Error(`invalid character ${quoted(this.#peek())} ${where}`)
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9' && character.length === 1
}

/** scanner.go, quoteChar: of one byte. */
function quoted(character: string): string {
  if (character === "'") return String.raw`'\''`
  if (character === '"') return `'"'`
  const escapes: Readonly<Record<string, string>> = {
    '\\': '\\\\',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\b': '\\b',
    '\f': '\\f',
    '\v': '\\v',
    '\u0007': '\\a',
  }
  const code = character.charCodeAt(0)
  const isPrintable = (code >= 0x20 && code < 0x7f) || (code > 0xa0 && code !== 0xad)
  return `'${escapes[character] ?? (isPrintable ? character : unprintable(code))}'`
}

/** strconv.Quote: control characters by two digits, the others by four. */
function unprintable(code: number): string {
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** Blowfish with the expensive key schedule of bcrypt (Provos and Mazieres, USENIX 1999; golang.org/x/crypto/blowfish). */
import { piWords } from './pi-words.ts'

const SUBKEYS = 18
const BOX_WORDS = 4 * 256

let table: Int32Array | undefined

export class Blowfish {
  readonly #subkeys: Int32Array
  readonly #boxes: Int32Array
  /** The halves of the block at hand. */
  left = 0
  right = 0

  /** Its tables are pi's until a key is mixed in. */
  constructor() {
    table ??= piWords(SUBKEYS + BOX_WORDS)
    this.#subkeys = table.slice(0, SUBKEYS)
    this.#boxes = table.slice(SUBKEYS)
  }

  /** Mixes in a key and, where there is one, a salt of 16 bytes. */
  expand(key: Uint8Array, salt?: Uint8Array): void {
    const keyWord = words(key)
    for (let index = 0; index < SUBKEYS; index += 1) this.#subkeys[index]! ^= keyWord()
    const saltWord = salt && words(salt)
    this.left = 0
    this.right = 0
    for (const target of [this.#subkeys, this.#boxes]) {
      for (let index = 0; index < target.length; index += 2) {
        if (saltWord) {
          this.left ^= saltWord()
          this.right ^= saltWord()
        }
        this.encrypt()
        target[index] = this.left
        target[index + 1] = this.right
      }
    }
  }

  /** Encrypts the block at hand in place. */
  encrypt(): void {
    const subkeys = this.#subkeys
    const boxes = this.#boxes
    let left = this.left ^ subkeys[0]!
    let right = this.right
    for (let round = 1; round <= 16; round += 2) {
      right ^=
        ((((boxes[left >>> 24]! + boxes[256 + ((left >>> 16) & 255)]!) ^ boxes[512 + ((left >>> 8) & 255)]!) +
          boxes[768 + (left & 255)]!) |
          0) ^
        subkeys[round]!
      left ^=
        ((((boxes[right >>> 24]! + boxes[256 + ((right >>> 16) & 255)]!) ^ boxes[512 + ((right >>> 8) & 255)]!) +
          boxes[768 + (right & 255)]!) |
          0) ^
        subkeys[round + 1]!
    }
    this.left = right ^ subkeys[17]!
    this.right = left
  }
}

/** The bytes as big-endian words, over and over. */
function words(bytes: Uint8Array): () => number {
  let at = 0
  return () => {
    let word = 0
    for (let count = 0; count < 4; count += 1) {
      word = (word << 8) | bytes[at]!
      at = (at + 1) % bytes.length
    }
    return word
  }
}

/** bcrypt as golang.org/x/crypto/bcrypt writes it: `$2a$10$`, 22 digits of salt, 31 of hash. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { Blowfish } from './blowfish.ts'

const LOWEST_COST = 4
const HIGHEST_COST = 31
const DEFAULT_COST = 10

const SALT_BYTES = 16
const HASH_BYTES = 23
const LONGEST_PASSWORD_BYTES = 72
const MAGIC = 'OrpheanBeholderScryDoubt'

/** Rounds of the key schedule between which others may run: a few milliseconds. */
const ROUNDS_A_TURN = 32

/** The cost that is given, or the default, with etcd's word to the log, where bcrypt has none such (server/auth/store.go). */
export function usableCost(given: number, warn: (message: string, fields: Record<string, number>) => void): number {
  if (given >= LOWEST_COST && given <= HIGHEST_COST) return given
  warn('use default bcrypt cost instead of the invalid given cost', {
    'min-cost': LOWEST_COST,
    'max-cost': HIGHEST_COST,
    'default-cost': DEFAULT_COST,
    'given-cost': given,
  })
  return DEFAULT_COST
}

/** @throws Error with Go's text for a password beyond 72 bytes. */
export async function bcryptHash(password: string, cost: number, salt = randomBytes(SALT_BYTES)): Promise<string> {
  const bytes = Buffer.from(password, 'utf8')
  if (bytes.length > LONGEST_PASSWORD_BYTES) throw new Error('bcrypt: password length exceeds 72 bytes')
  const hash = await digest(bytes, salt, cost)
  return `$2a$${String(cost).padStart(2, '0')}$${encode(salt)}${encode(hash)}`
}

export async function bcryptMatches(hashed: string, password: string): Promise<boolean> {
  const [, cost, salt = '', hash = ''] =
    /^\$2[abxy]?\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(hashed) ?? []
  if (cost === undefined) return false
  const wanted = decode(hash).subarray(0, HASH_BYTES)
  const got = await digest(Buffer.from(password, 'utf8'), decode(salt).subarray(0, SALT_BYTES), Number(cost))
  return timingSafeEqual(wanted, got)
}

async function digest(password: Buffer, salt: Buffer, cost: number): Promise<Buffer> {
  // The byte zero at the end belongs to the key, and 72 bytes are all that Blowfish takes in.
  const key = Buffer.concat([password, Buffer.alloc(1)]).subarray(0, LONGEST_PASSWORD_BYTES)
  const cipher = new Blowfish()
  cipher.expand(key, salt)
  for (let round = 0; round < 2 ** cost; round += 1) {
    cipher.expand(key)
    cipher.expand(salt)
    if (round % ROUNDS_A_TURN === ROUNDS_A_TURN - 1) await turn()
  }
  const block = Buffer.from(MAGIC, 'latin1')
  for (let at = 0; at < block.length; at += 8) {
    cipher.left = block.readInt32BE(at)
    cipher.right = block.readInt32BE(at + 4)
    for (let times = 0; times < 64; times += 1) cipher.encrypt()
    block.writeInt32BE(cipher.left, at)
    block.writeInt32BE(cipher.right, at + 4)
  }
  return block.subarray(0, HASH_BYTES)
}

const STANDARD = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BCRYPT = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** base64 in an order of its own, without padding. */
function encode(bytes: Buffer): string {
  const text = bytes.toString('base64').replaceAll('=', '')
  return Array.from(text, (digit) => BCRYPT[STANDARD.indexOf(digit)]).join('')
}

function decode(text: string): Buffer {
  return Buffer.from(Array.from(text, (digit) => STANDARD[BCRYPT.indexOf(digit)]).join(''), 'base64')
}

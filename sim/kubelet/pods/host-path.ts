/** hostPath volumes: pkg/volume/hostpath/host_path.go. */
import { join, relative, sep } from 'node:path'
import { HostFolder } from '../container/host-folder.ts'
import { NotYet } from './pod-sources.ts'
import type { Volume } from './pod-spec.ts'

/** @throws NotYet where the path is not what its type says. */
export function hostFolder(
  root: string,
  { path, type = '' }: NonNullable<Volume['hostPath']>,
  subPath = '',
): HostFolder {
  // a manifest of the run may name the folder that stands for the host
  const own = path === root || path.startsWith(root + sep) ? `/${relative(root, path)}` : path
  const folder = new HostFolder(root, join(own, subPath))
  const fail = (what: string): never => {
    throw new NotYet(`hostPath type check failed: ${path} is not a ${what}`)
  }
  if (type === 'Directory' && !folder.isFolder('')) fail('directory')
  if (type === 'File' && !folder.isFile('')) fail('file')
  if ((type === 'DirectoryOrCreate' || type === '') && !folder.isFolder('') && !folder.isFile('')) folder.makeFolder('')
  if (type === 'FileOrCreate' && !folder.isFile('')) folder.write('', Buffer.alloc(0))
  if (type === 'Socket' || type === 'CharDevice' || type === 'BlockDevice')
    fail(type === 'Socket' ? 'socket' : 'device')
  return folder
}

import { editManifests, manifestsOf } from '../change-posture.ts'
import { addHostFolder } from '../manifest.ts'
import { withFile, type Posture } from '../posture.ts'
import { editYaml } from '../yaml-file.ts'
import { dirname } from 'node:path/posix'

/** A file of kube-apiserver's host, mounted by its folder and readable by its owner alone; one that is there stays as it is. */
export function withApiserverFile(
  posture: Posture,
  { volume, path, text }: { volume: string; path: string; text: string },
): Posture {
  const written = manifestsOf(posture, 'kube-apiserver').reduce((changed, manifest) => {
    const file = `hosts/${manifest.split('/')[1]}${path}`
    return changed.files.has(file) ? changed : withFile(changed, file, text)
  }, posture)
  const mounted = editManifests(written, 'kube-apiserver', (manifest, file) =>
    addHostFolder(file, manifest, volume, dirname(path)),
  )
  if (mounted.modes.some((mode) => mode.path === path)) return mounted
  const yaml = mounted.files.get('posture.yaml') ?? ''
  const entry = { path, mode: '0600' }
  return withFile(mounted, 'posture.yaml', editYaml('posture.yaml', yaml, ['files', mounted.modes.length], entry))
}

import { loadPosture, posture, type Posture } from '../../lib/posture/posture.ts'

const ENV = 'var/lib/kubelet/kubeadm-flags.env'

/** `kubeadm` with one etcd member and three workers: what the aims of the bench speak of. */
export async function benchPosture(): Promise<Posture> {
  const base = await loadPosture('kubeadm')
  const files = new Map<string, string>()
  for (const [path, text] of base.files) if (!/^hosts\/etcd-[23]\//.test(path)) files.set(path, text)
  const edit = (path: string, change: (text: string) => string): void => {
    const text = files.get(path) ?? ''
    const changed = change(text)
    if (changed === text) throw new Error(`[bench_posture] ${path}: the shipped posture is not as this bench knows it`)
    files.set(path, changed)
  }
  edit('posture.yaml', (text) =>
    text
      .replaceAll(/ +- name: etcd-[23]\n +address: 192\.0\.2\.2[23]\n/g, '')
      .replace(/( +- name: )worker-2(\n +address: 192\.0\.2\.)32\n/, '$&$1worker-3$233\n'),
  )
  const oneMember = (text: string): string => text.replaceAll(/,(?:etcd-[23]=)?https:\/\/192\.0\.2\.2[23]:\d+/g, '')
  edit('hosts/etcd-1/etc/kubernetes/manifests/etcd.yaml', oneMember)
  edit('hosts/control-plane/etc/kubernetes/manifests/kube-apiserver.yaml', oneMember)
  const env = files.get(`hosts/worker-2/${ENV}`) ?? ''
  files.set(`hosts/worker-3/${ENV}`, env.replaceAll('worker-2', 'worker-3').replaceAll('192.0.2.32', '192.0.2.33'))
  return posture({ name: base.name, shipped: base.shipped, folder: base.folder, files })
}

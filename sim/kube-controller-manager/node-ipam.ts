/** A range of Pod addresses for each node, with --allocate-node-cidrs: pkg/controller/nodeipam/ipam/range_allocator.go. */
import { StatusError } from '../../lib/kube/client.ts'
import type { KubeObject } from '../../lib/kube/object.ts'
import { controllerQueue, follow, type Controller } from './controller.ts'

const DEFAULT_MASK = 24

export const nodeIpam: Controller = {
  name: 'node-ipam-controller',
  serviceAccount: 'node-controller',
  start({ flags, informers, client }) {
    const [range = ''] = flags.string('cluster-cidr').split(',')
    if (!flags.bool('allocate-node-cidrs') || range === '') return
    const mask = flags.number('node-cidr-mask-size-ipv4') || flags.number('node-cidr-mask-size') || DEFAULT_MASK
    const nodes = informers.of('/api/v1/nodes')
    const given = new Map<string, string>()
    const queue = controllerQueue('node-ipam-controller', async (name) => {
      const node = nodes.get('', name)
      if (!node || cidrOf(node) !== undefined) return
      await nodes.synced
      const taken = new Set([...given.values(), ...nodes.list().map(cidrOf)])
      const podCIDR = given.get(name) ?? firstFree(range, mask, taken)
      if (podCIDR === undefined)
        throw new Error(
          'failed to allocate cidr from cluster cidr: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range',
        )
      given.set(name, podCIDR)
      try {
        await client.patch(`/api/v1/nodes/${name}`, { spec: { podCIDR, podCIDRs: [podCIDR] } })
      } catch (error) {
        if (!(error instanceof StatusError) || error.status !== 404) throw error
      }
    })
    follow(nodes, ({ name }) => queue.add(name))
    nodes.on('delete', ({ metadata: { name = '' } }) => given.delete(name))
  },
}

function cidrOf(node: KubeObject): string | undefined {
  return (node['spec'] as { podCIDR?: string } | undefined)?.podCIDR
}

/** IPv4 only. `10.244.0.0/16` in parts of /24: `10.244.0.0/24`, `10.244.1.0/24`, … */
export function firstFree(range: string, mask: number, taken: ReadonlySet<string | undefined>): string | undefined {
  const [address = '', bits = ''] = range.split('/')
  const start = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const count = 2 ** (mask - Number(bits))
  for (let index = 0; index < count; index++) {
    const at = start + index * 2 ** (32 - mask)
    const cidr = `${[24, 16, 8, 0].map((shift) => Math.floor(at / 2 ** shift) % 256).join('.')}/${mask}`
    if (!taken.has(cidr)) return cidr
  }
  return undefined
}

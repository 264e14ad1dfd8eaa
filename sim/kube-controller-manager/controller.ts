/** What a controller is given, and what it is: it follows informers that all of them share and writes with its own credential. */
import type { KubeClient } from '../../lib/kube/client.ts'
import { Informer } from '../../lib/kube/informer.ts'
import { klogS } from '../../lib/kube/klog.ts'
import { WorkQueue } from '../../lib/kube/work-queue.ts'
import type { FlagSet } from '../../lib/settings/flag-set.ts'

export interface ControllerContext {
  flags: FlagSet
  version: string
  informers: SharedInformers
  /** Writes as this controller. */
  client: KubeClient
}

export interface Controller {
  /** As --controllers names it. */
  name: string
  /** The ServiceAccount in kube-system that it writes as with --use-service-account-credentials. */
  serviceAccount: string
  start: (context: ControllerContext) => void
}

/** One informer for each collection, whoever asks. */
export class SharedInformers {
  readonly #client: KubeClient
  readonly #byPath = new Map<string, Informer>()

  constructor(client: KubeClient) {
    this.#client = client
  }

  /** `/api/v1/nodes`; started by whoever asks first. */
  of(path: string): Informer {
    let informer = this.#byPath.get(path)
    if (!informer) {
      informer = new Informer({ client: this.#client, path })
      // as many listeners as there are controllers
      informer.setMaxListeners(0)
      informer.on('failed', (error) => klogS('E', 'reflector.go:227', 'Failed to watch', { err: error.message, path }))
      this.#byPath.set(path, informer)
      informer.start()
    }
    return informer
  }
}

/** A queue whose failures are logged in the controller's name and tried again. */
export function controllerQueue(logger: string, sync: (key: string) => Promise<void>): WorkQueue {
  return new WorkQueue({
    sync,
    onError: (key, error) =>
      klogS('E', 'controller.go:158', 'Unhandled Error', { err: `Sync ${key} failed: ${error.message}`, logger }),
  })
}

/** Calls with each object that is there and each that comes or changes. */
export function follow(informer: Informer, listener: (name: { namespace: string; name: string }) => void): void {
  const tell = ({ metadata }: { metadata: { namespace?: string; name?: string } }): void =>
    listener({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' })
  informer.on('add', tell)
  informer.on('update', tell)
  for (const object of informer.list()) tell(object)
}

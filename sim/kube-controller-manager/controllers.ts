/** The controllers there are, and which of them run. */
import type { ControllerFacts } from '../../lib/cluster/controller-process.ts'
import { klogS } from '../../lib/kube/klog.ts'
import { certificateApproval } from './certificate-approval.ts'
import { certificateSigning } from './certificate-signing.ts'
import { clusterRoleAggregation } from './cluster-role-aggregation.ts'
import { SharedInformers, type Controller } from './controller.ts'
import { controllerClient } from './credentials.ts'
import { defaultServiceAccount } from './default-service-account.ts'
import { namespaceDeletion } from './namespace-deletion.ts'
import { nodeIpam } from './node-ipam.ts'
import { nodeLifecycle } from './node-lifecycle.ts'
import { podGarbageCollection } from './pod-garbage-collection.ts'
import { rootCaPublication } from './root-ca-publication.ts'

export const CONTROLLERS: readonly Controller[] = [
  defaultServiceAccount,
  rootCaPublication,
  nodeLifecycle,
  nodeIpam,
  clusterRoleAggregation,
  namespaceDeletion,
  podGarbageCollection,
  certificateApproval,
  certificateSigning,
]

export function startControllers(facts: ControllerFacts): void {
  const informers = new SharedInformers(facts.client)
  for (const controller of CONTROLLERS) {
    if (!isEnabled(controller.name, facts.flags.list('controllers'))) {
      klogS('W', 'controllermanager.go:748', 'Controller is disabled', { controller: controller.name })
      continue
    }
    void controllerClient(facts, controller.serviceAccount).then((client) => {
      klogS('I', 'controllermanager.go:764', 'Controller starting...', { controller: controller.name })
      controller.start({ flags: facts.flags, version: facts.version, informers, client })
    })
  }
}

/** genericcontrollermanager.IsControllerEnabled: the last word about a name, else `*`. */
export function isEnabled(name: string, asked: readonly string[]): boolean {
  if (asked.includes(name)) return true
  if (asked.includes(`-${name}`)) return false
  return asked.includes('*')
}

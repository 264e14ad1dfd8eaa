/** What the clusters of a run share one after another: an octet of addresses, and certificates issued once. */
import { issuePostureMaterial } from '../posture/render-host.ts'
import { PkiMemory, type IssuedPki } from '../posture/issue-pki.ts'
import type { Posture } from '../posture/posture.ts'
import { claimOctet, loopbackPlan, type AddressPlan, type OctetClaim } from './addresses.ts'

/** The host that an attacker without one of the cluster's stands on. */
export const ATTACKER_HOST = 'attacker'

export class Site {
  readonly #claim: OctetClaim
  readonly #memory = new PkiMemory()

  static async claim(): Promise<Site> {
    return new Site(await claimOctet())
  }

  private constructor(claim: OctetClaim) {
    this.#claim = claim
  }

  plan(posture: Posture): AddressPlan {
    return loopbackPlan(this.#claim.octet, [...posture.hosts.map(({ name }) => name), ATTACKER_HOST])
  }

  pki(posture: Posture): Promise<IssuedPki> {
    return issuePostureMaterial(posture, this.plan(posture), { memory: this.#memory })
  }

  release(): Promise<void> {
    return this.#claim.release()
  }
}

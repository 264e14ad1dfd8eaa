/** Alarms that stand until somebody takes them back (server/etcdserver/api/v3alarm). */
import { AlarmType } from '../../../lib/etcd/rpc_pb.ts'

export interface Alarm {
  memberId: bigint
  type: AlarmType
}

export class Alarms {
  #raised: Alarm[] = []

  /** Of one type, or with NONE all. */
  get(type: AlarmType = AlarmType.NONE): Alarm[] {
    return this.#raised.filter((alarm) => type === AlarmType.NONE || alarm.type === type)
  }

  /** What a disk held, in place of whatever was here. */
  restore(alarms: readonly Alarm[]): void {
    this.#raised = [...alarms]
  }

  /** Whether anybody has it: asked at every request. */
  isRaised(type: AlarmType): boolean {
    return this.#raised.length > 0 && this.#raised.some((alarm) => alarm.type === type)
  }

  activate(memberId: bigint, type: AlarmType): Alarm {
    const known = this.#find(memberId, type)
    if (known) return known
    const alarm = { memberId, type }
    this.#raised.push(alarm)
    return alarm
  }

  deactivate(memberId: bigint, type: AlarmType): Alarm | undefined {
    const known = this.#find(memberId, type)
    this.#raised = this.#raised.filter((alarm) => alarm !== known)
    return known
  }

  #find(memberId: bigint, type: AlarmType): Alarm | undefined {
    return this.#raised.find((alarm) => alarm.memberId === memberId && alarm.type === type)
  }
}

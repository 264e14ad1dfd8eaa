/** `Grpc-Timeout`: how long a client of the gateway waits at most (grpc-gateway runtime/context.go). */
import { GrpcError } from '../../../lib/etcd/grpc-status.ts'

const UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

/** Below this no answer ever comes in time. */
const HOPELESS_MS = 0.05

/** Answers with what is done, unless the header's time is over before. @throws GrpcError */
export async function within<T>(header: string | undefined, act: () => Promise<T>): Promise<T> {
  if (header === undefined) return act()
  const [, count, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? []
  if (count === undefined) throw new NotCalled('InvalidArgument', `invalid grpc-timeout: ${header}`)
  const timeoutMs = Number(count) * UNITS_MS[unit]!
  const late = (): NotCalled => new NotCalled('DeadlineExceeded', 'context deadline exceeded')
  if (timeoutMs < HOPELESS_MS) throw late()
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.min(timeoutMs, 2 ** 31 - 1))
  })
  try {
    return await Promise.race([act(), over])
  } finally {
    clearTimeout(timer)
  }
}

/** No answer of the member's came, so that nothing of its head is passed on. */
export class NotCalled extends GrpcError {}

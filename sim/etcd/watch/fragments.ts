/** Cuts an answer that is too large for one message into several (server/etcdserver/api/v3rpc/watch.go, sendFragments). */
import { create, toBinary } from '@bufbuild/protobuf'
import { EventSchema, type Event } from '../../../lib/etcd/kv_pb.ts'
import { WatchResponseSchema, type WatchResponse } from '../../../lib/etcd/rpc_pb.ts'

/** Tag and length of one event within the answer. */
const EVENT_OVERHEAD_BYTES = 6

/** All but the last say that more comes. An event that is too large by itself goes out all the same. */
export function fragments(response: WatchResponse, maxBytes: number): WatchResponse[] {
  const bare = toBinary(WatchResponseSchema, create(WatchResponseSchema, { ...response, events: [] })).length
  const pieces: Event[][] = [[]]
  let size = bare
  for (const event of response.events) {
    const bytes = toBinary(EventSchema, event).length + EVENT_OVERHEAD_BYTES
    if (pieces.at(-1)!.length > 0 && size + bytes >= maxBytes) {
      pieces.push([])
      size = bare
    }
    pieces.at(-1)!.push(event)
    size += bytes
  }
  return pieces.map((events, index) =>
    create(WatchResponseSchema, { ...response, events, fragment: index < pieces.length - 1 }),
  )
}

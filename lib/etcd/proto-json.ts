/** Messages as protobuf's JSON: names as in the .proto files, 64-bit numbers as text, bytes in base64. */
import { fromJson, toJson, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf'

export type { JsonValue } from '@bufbuild/protobuf'

/** Takes snake_case and camelCase. @throws Error where the JSON does not fit. */
export function messageFromJson<Desc extends DescMessage>(desc: Desc, json: JsonValue): MessageShape<Desc> {
  return fromJson(desc, json)
}

/** Leaves out what has its default value. */
export function messageToJson<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): JsonValue {
  return toJson(desc, message, { useProtoFieldName: true })
}

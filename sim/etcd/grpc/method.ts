/** What a method of the v3 API is to those who serve it: gRPC's server and the JSON gateway. */
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf'
import type { Call } from './call.ts'

export interface UnaryMethod {
  kind: 'unary'
  desc: DescMethod
  /** What the request is about, for the witness. */
  subject?: (request: never) => string
  /** `bytes` are the request as it came. */
  serve: (request: never, call: Call, bytes: Uint8Array) => Promise<object>
}

/** Answers of a stream, in order; `end` comes once, with the error where there is one. */
export interface StreamOut<Reply = never> {
  send: (reply: Reply) => void
  end: (error?: unknown) => void
}

export interface StreamIn<Request = never> {
  message: (request: Request) => void
  /** The client has said all that it will say. */
  halfClosed: () => void
  /** Nobody hears the answers any more. */
  gone: () => void
}

export interface StreamMethod {
  kind: 'stream'
  desc: DescMethod
  open: (call: Call, out: StreamOut) => StreamIn
}

export type Method = UnaryMethod | StreamMethod

type MethodOf<I extends DescMessage, O extends DescMessage> = DescMethod & { input: I; output: O }

export function unary<I extends DescMessage, O extends DescMessage>(
  desc: MethodOf<I, O>,
  serve: (request: MessageShape<I>, call: Call, bytes: Uint8Array) => Promise<MessageShape<O>>,
  subject?: (request: MessageShape<I>) => string,
): UnaryMethod {
  return { kind: 'unary', desc, serve, ...(subject ? { subject } : {}) }
}

export function stream<I extends DescMessage, O extends DescMessage>(
  desc: MethodOf<I, O>,
  open: (call: Call, out: StreamOut<MessageShape<O>>) => StreamIn<MessageShape<I>>,
): StreamMethod {
  return { kind: 'stream', desc, open: open as unknown as StreamMethod['open'] }
}

/** A stream of answers to one request. */
export function serverStream<I extends DescMessage, O extends DescMessage>(
  desc: MethodOf<I, O>,
  serve: (request: MessageShape<I>, call: Call, out: StreamOut<MessageShape<O>>) => Promise<void>,
): StreamMethod {
  return stream(desc, (call, out) => ({
    message: (request) => {
      serve(request, call, out).then(
        () => out.end(),
        (error: unknown) => out.end(error),
      )
    },
    halfClosed: () => {},
    gone: () => {},
  }))
}

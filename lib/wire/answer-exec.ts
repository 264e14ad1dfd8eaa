import type { HttpAnswers, WebSocketSession } from './answer-http.ts'

/** Channels of a remote command (k8s.io/apimachinery remotecommand constants). */
const STDIN = 0
const STDOUT = 1
const ERROR = 3
/** v5 only: `[255, channel]` says that this channel was closed. */
const CLOSE = 255

const SUCCESS = JSON.stringify({ metadata: {}, status: 'Success' })

export interface FakeExec {
  /** What the impostor prints, once it has seen all of stdin or at once where none is offered. */
  output: string
  /** Told of everything that is typed, as it comes. */
  stdin: (bytes: Buffer, session: WebSocketSession) => void
}

/** Plays the far end of `kubectl exec` over `channel.k8s.io`: takes what is typed, prints what it likes, reports success. */
export function answerExec({ output, stdin }: FakeExec): NonNullable<HttpAnswers['webSocket']> {
  const finish = (session: WebSocketSession) => {
    session.send(Buffer.concat([Buffer.from([STDOUT]), Buffer.from(output)]))
    session.send(Buffer.concat([Buffer.from([ERROR]), Buffer.from(SUCCESS)]))
    session.close()
  }
  return {
    open: (session) => {
      const query = new URL(session.path, 'http://localhost').searchParams
      // kube-apiserver asks a kubelet for `input`, a client asks kube-apiserver for `stdin`.
      if (!['1', 'true'].includes(query.get('input') ?? query.get('stdin') ?? '')) finish(session)
    },
    message: (session, message) => {
      if (message[0] === STDIN) stdin(message.subarray(1), session)
      // Before v5 an end of input cannot be said: the first line ends it.
      const over = message[0] === STDIN && session.protocol !== 'v5.channel.k8s.io' && message.includes(0x0a)
      if (over || (message[0] === CLOSE && message[1] === STDIN)) finish(session)
    },
  }
}

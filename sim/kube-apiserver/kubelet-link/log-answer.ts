/** What kube-apiserver makes of a kubelet's refusal to give a log: apimachinery/pkg/api/errors (NewGenericServerResponse). */
import { badRequest, internalError, StatusError } from '../../../lib/kube/status.ts'

/** Codes with words of their own; `undefined` stands for what the kubelet itself wrote. */
const WORDS: Record<number, [reason: string, message: string | undefined]> = {
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  403: ['Forbidden', undefined],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  409: ['Conflict', 'the server reported a conflict'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: [
    'Timeout',
    'the server was unable to return a response in the time allotted, but may still be processing the request',
  ],
}

export function logRefusal(code: number, body: string, podName: string): StatusError {
  if (code === 500) return internalError(body)
  if (code === 400) return badRequest(body)
  const [reason, words] = WORDS[code] ?? (code > 500 ? ['InternalError', serverError(body)] : ['', unknownCode(code)])
  // the verb is not known here, and so an empty word stands in its place
  const message = `${words ?? body} ( pods/log ${podName})`
  return new StatusError(code, reason, message, { name: podName, kind: 'pods/log' })
}

function serverError(body: string): string {
  return `an error on the server (${JSON.stringify(body)}) has prevented the request from succeeding`
}

function unknownCode(code: number): string {
  return `the server responded with the status code ${code} but did not return more information`
}

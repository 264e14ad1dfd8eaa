/** The words of a 403 by authorization: apiserver/pkg/endpoints/handlers/responsewriters/errors.go. */
import { goQuote } from '../../../lib/kube/go-quote.ts'
import type { RequestInfo } from '../contract.ts'

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** The whole message of the Status; `reason` is the authorizers' own and is not escaped. */
export function forbiddenMessage(username: string, request: RequestInfo, reason: string): string {
  const said = cannot(username, request).replace(/[&<>]/g, (character) => ENTITIES[character] ?? character)
  return forbiddenText(request, reason === '' ? said : `${said}: ${reason}`)
}

/** `pods "x" is forbidden: <text>`, as every refusal of a request about an object begins (errors.NewForbidden). */
export function forbiddenText(request: Pick<RequestInfo, 'resource' | 'apiGroup' | 'name'>, text: string): string {
  if (request.resource === '' && request.name === '') return `forbidden: ${text}`
  const resource = request.apiGroup === '' ? request.resource : `${request.resource}.${request.apiGroup}`
  return request.name === ''
    ? `${resource} is forbidden: ${text}`
    : `${resource} ${goQuote(request.name)} is forbidden: ${text}`
}

function cannot(username: string, request: RequestInfo): string {
  const who = `User ${goQuote(username)} cannot ${request.verb}`
  if (!request.isResourceRequest) return `${who} path ${goQuote(request.path)}`
  const resource = request.subresource === '' ? request.resource : `${request.resource}/${request.subresource}`
  const what = `${who} resource ${goQuote(resource)} in API group ${goQuote(request.apiGroup)}`
  return request.namespace === ''
    ? `${what} at the cluster scope`
    : `${what} in the namespace ${goQuote(request.namespace)}`
}

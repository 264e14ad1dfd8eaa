/** get and list: apiserver/pkg/endpoints/handlers/get.go, apiserver/pkg/storage/continue.go. */
import type { KubeList, KubeObject } from '../../../lib/kube/object.ts'
import { badRequest, failure, invalid, notFound, StatusError } from '../../../lib/kube/status.ts'
import { CompactedError } from '../storage/key-value-store.ts'
import type { ObjectPage } from '../storage/object-store.ts'
import type { Answer, ApiCall, RegistryContext } from './api-call.ts'
import { forbidden } from './field-errors.ts'
import { goJsonError } from './go-json.ts'
import { apiVersionOf, errorResourceOf } from './resource.ts'
import { selectorOf } from './selector.ts'
import type { Selects } from './selector.ts'
import { integerOf } from './write-options.ts'

const TOKEN_VERSION = 'meta.k8s.io/v1'
const REACH_MS = 3000
const TOO_OLD_CONTINUE =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, ' +
  'or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an ' +
  'inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

export async function getObject(
  { resource, info, query }: ApiCall,
  { store, cache }: RegistryContext,
): Promise<Answer> {
  const { namespace, name } = info
  const asked = query.get('resourceVersion') ?? ''
  if (asked !== '' && asked !== '0') await reachRevision(revisionOf(asked), cache)
  const kept = asked === '0' ? cache.get(resource.resource, resource.namespaced ? namespace : '', name) : undefined
  const object = kept ?? (await store.get(resource, namespace, name))?.object
  if (!object) throw notFound(errorResourceOf(resource), name)
  return { code: 200, body: object }
}

export async function listObjects(call: ApiCall, context: RegistryContext): Promise<Answer> {
  const { resource, info, query } = call
  const { cache } = context
  const selects = selectorOf(resource, info.labelSelector, info.fieldSelector)
  integerOf(query.get('timeoutSeconds') || '0')
  const asked = askedRevision(query)
  const kept = cache.resource(resource.resource)
  if (kept && !kept.ready && kept.failure !== undefined) throw initializing(resource, kept.failure)
  const limit = integerOf(query.get('limit') || '0')
  const page =
    asked === '0' && kept && limit === 0 && !query.get('continue')
      ? { objects: cache.list(resource.resource, info.namespace), revision: cache.revision, remaining: 0 }
      : await storedPage(call, context, { limit, asked, selects })
  const objects = selects && page.objects === kept?.list(info.namespace) ? page.objects.filter(selects) : page.objects
  return { code: 200, body: listOf(call, { ...page, objects: [...objects] }, selects !== undefined) }
}

interface PageWanted {
  limit: number
  asked: string
  selects: Selects | undefined
}

async function storedPage(
  { resource, info, query }: ApiCall,
  { store, cache }: RegistryContext,
  { limit, asked, selects }: PageWanted,
): Promise<ObjectPage> {
  const token = query.get('continue') ?? ''
  const exact = query.get('resourceVersionMatch') === 'Exact'
  if (token !== '' && asked !== '' && asked !== '0')
    throw badRequest('specifying resource version is not allowed when using continue')
  if (asked !== '' && asked !== '0') await reachRevision(revisionOf(asked), cache)
  const from = token === '' ? undefined : continuation(token)
  const revision = from ? from.revision : exact ? revisionOf(asked) : undefined
  try {
    return await store.list(resource, {
      namespace: resource.namespaced ? info.namespace : '',
      limit,
      ...(from && { start: from.start }),
      ...(revision !== undefined && { revision }),
      ...(selects && { selects }),
    })
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error
    throw from ? expiredContinuation(from.start) : expired('The resourceVersion for the provided list is too old.')
  }
}

function listOf({ resource }: ApiCall, page: ObjectPage, selected: boolean): KubeList {
  const { revision, next, remaining } = page
  return {
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata: {
      resourceVersion: String(revision),
      ...(next !== undefined && { continue: continueToken(revision, next) }),
      ...(next !== undefined && !selected && { remainingItemCount: remaining }),
    },
    items: page.objects,
  }
}

/** An item as it stands in a list: what the list already says of it is left out. */
export function listItem(object: KubeObject): object {
  const { kind: _, apiVersion: __, ...rest } = object
  return rest
}

function askedRevision(query: URLSearchParams): string {
  const asked = query.get('resourceVersion') ?? ''
  const match = query.get('resourceVersionMatch') ?? ''
  if (match !== '' && asked === '') {
    const why = 'resourceVersionMatch is forbidden unless resourceVersion is provided'
    throw invalid('ListOptions', 'meta.k8s.io', '', [forbidden('resourceVersionMatch', why)])
  }
  if (asked !== '' && !/^\d+$/.test(asked)) {
    const why = `strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`
    throw badRequest(`invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(asked)}: ${why}`)
  }
  return asked
}

/** Throws 500 with strconv's words, as the storage says it. */
export function revisionOf(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new StatusError(500, '', `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
}

async function reachRevision(revision: number, cache: RegistryContext['cache']): Promise<void> {
  if (await cache.reach(revision, REACH_MS)) return
  const message = `Timeout: Too large resource version: ${revision}, current: ${cache.revision}`
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
  throw new StatusError(504, 'Timeout', message, { causes, retryAfterSeconds: 1 })
}

export function initializing({ kind, group }: { kind: string; group: string }, why: string): StatusError {
  const internal = group === '' ? 'core' : (group.split('.')[0] ?? '')
  const message = `storage is (re)initializing: failed to list *${internal}.${kind}: ${why}`
  return new StatusError(429, 'TooManyRequests', message, { retryAfterSeconds: 2 })
}

function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message)
}

function expiredContinuation(start: string): StatusError {
  const error = expired(TOO_OLD_CONTINUE)
  Object.assign(error.status, failure(410, 'Expired', TOO_OLD_CONTINUE), {
    metadata: { continue: continueToken(-1, start) },
  })
  return error
}

function continueToken(revision: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: TOKEN_VERSION, rv: revision, start })).toString('base64url')
}

/** A token of revision -1 goes on in what there is now. */
function continuation(token: string): { start: string; revision: number | undefined } {
  const refuse = (why: string): StatusError => badRequest(`invalid continue token: continue key is not valid: ${why}`)
  const text = Buffer.from(token, 'base64url').toString('latin1')
  const wrong = goJsonError(text)
  if (wrong !== undefined) throw refuse(wrong)
  const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as {
    v?: string
    rv?: number
    start?: string
  }
  if (v !== TOKEN_VERSION) throw refuse(`server does not recognize this encoded version ${JSON.stringify(v ?? '')}`)
  if (!rv) throw refuse('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (!start || start.startsWith('..') || start.includes('/../'))
    throw refuse('encoded start key empty (version meta.k8s.io/v1)')
  return { start, revision: rv > 0 ? rv : undefined }
}

/**
 * What a request asks for, read from its method and URL alone: apiserver/pkg/endpoints/request/requestinfo.go.
 */
import type { RequestInfo } from '../contract.ts'
import { exactMatch, parseFieldSelector } from './field-selector.ts'

const API_PREFIXES = new Set(['api', 'apis'])
const SPECIAL_VERBS = new Set(['proxy', 'watch'])
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])
const VERBS: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/**
 * `url` is the request target as it came. Percent escapes are decoded before the path is split; `..` is not resolved. Throws
 * for `/api/v1/watch` with nothing behind it (the answer is then 500) and for a malformed escape (400).
 */
export function requestInfo(method: string, url: string): RequestInfo {
  const { path, query } = splitTarget(url)
  const info: RequestInfo = {
    verb: method.toLowerCase(),
    apiGroup: '',
    apiVersion: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    path,
    isResourceRequest: false,
    fieldSelector: '',
    labelSelector: '',
  }
  let parts = path.replace(/^\/+|\/+$/g, '').split('/')
  const prefix = parts.shift() ?? ''
  if (!API_PREFIXES.has(prefix) || parts.length < 2) return info
  if (prefix === 'apis') {
    if (parts.length < 3) return info
    info.apiGroup = parts.shift() ?? ''
  }
  info.isResourceRequest = true
  info.apiVersion = parts.shift() ?? ''
  if (SPECIAL_VERBS.has(parts[0] ?? '')) {
    if (parts.length < 2) throw new Error(`unable to determine kind and namespace from url, ${url}`)
    info.verb = parts.shift() ?? ''
  } else {
    info.verb = VERBS[method] ?? ''
  }
  if (parts[0] === 'namespaces' && parts[1] !== undefined) {
    info.namespace = parts[1]
    if (parts[2] !== undefined && !NAMESPACE_SUBRESOURCES.has(parts[2])) parts = parts.slice(2)
  }
  info.resource = parts[0] ?? ''
  info.name = parts[1] ?? ''
  // /api/v1/proxy/... takes everything behind the name as the path to the backend
  if (info.verb !== 'proxy') info.subresource = parts[2] ?? ''
  if (info.name === '') refineCollection(info, query)
  return info
}

function refineCollection(info: RequestInfo, query: URLSearchParams): void {
  if (info.verb === 'get') {
    info.verb = watches(query) ? 'watch' : 'list'
    const name = exactMatch(parseFieldSelector(query.get('fieldSelector') ?? '') ?? [], 'metadata.name')
    if (name !== undefined && isPathSegment(name)) info.name = name
  }
  if (info.verb === 'delete') info.verb = 'deletecollection'
  if (info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection') {
    info.fieldSelector = query.get('fieldSelector') ?? ''
    info.labelSelector = query.get('labelSelector') ?? ''
  }
}

function watches(query: URLSearchParams): boolean {
  const value = query.get('watch')
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

/** apimachinery/pkg/api/validation/path: no name of an object holds these. */
function isPathSegment(name: string): boolean {
  return name !== '.' && name !== '..' && !/[/%]/.test(name)
}

/** The path of an origin-form or absolute-form target, decoded once, and its query. */
export function splitTarget(url: string): { path: string; query: URLSearchParams } {
  const question = url.indexOf('?')
  let path = question < 0 ? url : url.slice(0, question)
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i.exec(path)
  if (absolute) path = path.slice(absolute[0].length) || '/'
  return { path: decodePath(path), query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)) }
}

/** Percent escapes to bytes to UTF-8; a malformed escape throws as Go's net/url says it. */
function decodePath(path: string): string {
  if (!path.includes('%')) return path
  const malformed = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(path)
  if (malformed) throw new URIError(`invalid URL escape ${JSON.stringify(malformed[0])}`)
  const bytes: number[] = []
  const encoded = Buffer.from(path)
  for (let at = 0; at < encoded.length; at++) {
    if (encoded[at] === 0x25) {
      bytes.push(Number.parseInt(encoded.toString('latin1', at + 1, at + 3), 16))
      at += 2
    } else bytes.push(encoded[at] ?? 0)
  }
  return Buffer.from(bytes).toString()
}

/** Which form of an answer a client takes: apiserver/pkg/endpoints/handlers/negotiation. */
import { failure, StatusError } from '../../../lib/kube/status.ts'

export const PROTOBUF = 'application/vnd.kubernetes.protobuf'

export interface AcceptedForm {
  media: 'application/json' | 'application/yaml' | typeof PROTOBUF
  /** `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`, `APIGroupDiscoveryList`. */
  as?: string
  group?: string
  version?: string
  pretty?: boolean
}

interface Clause {
  type: string
  parameters: ReadonlyMap<string, string>
  quality: number
}

const AVAILABLE = `application/json, application/yaml, ${PROTOBUF}`
const METADATA_KINDS = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/** Objects: whole, as a Table or as metadata. */
export function isObjectForm({ as, group, version, media }: AcceptedForm): boolean {
  if (as === undefined) return true
  if (as === 'Table' && media === PROTOBUF) return false
  return METADATA_KINDS.has(as) && group === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1')
}

/** The best clause that `takes`. Throws 406: with the list of available forms where no media type fits, else the short text. */
export function negotiate(
  accept: string | undefined,
  takes: (form: AcceptedForm) => boolean = isObjectForm,
): AcceptedForm {
  const clauses = clausesOf(accept === undefined || accept === '' ? '*/*' : accept)
  const forms = clauses.map(formOf).filter((form) => form !== undefined)
  const found = forms.find(takes)
  if (found) return found
  if (forms.length > 0) {
    throw new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${AVAILABLE}`)
  }
  const error = new StatusError(406, 'NotAcceptable', '')
  error.status.message = `406: Not Acceptable\n\nAvailable representations: ${AVAILABLE}`
  error.status.details = {}
  throw error
}

function clausesOf(accept: string): Clause[] {
  return accept
    .split(',')
    .map((clause) => {
      const [type = '', ...rest] = clause.split(';').map((each) => each.trim())
      const parameters = new Map(rest.map((each) => [each.split('=')[0] ?? '', each.slice(each.indexOf('=') + 1)]))
      return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? 1) }
    })
    .toSorted((a, b) => b.quality - a.quality)
}

function formOf({ type, parameters }: Clause): AcceptedForm | undefined {
  const media =
    type === '*/*' || type === 'application/*' || type === 'application/json'
      ? 'application/json'
      : type === 'application/yaml' || type === PROTOBUF
        ? type
        : undefined
  if (!media) return undefined
  const [as, group, version] = ['as', 'g', 'v'].map((name) => parameters.get(name))
  return {
    media,
    ...(as !== undefined && { as }),
    ...(group !== undefined && { group }),
    ...(version !== undefined && { version }),
    ...(parameters.has('pretty') && { pretty: parameters.get('pretty') !== '0' }),
  }
}

/** How a Status is answered: in the first form that the client takes, JSON where it takes none. */
export function statusMedia(accept: string | undefined): AcceptedForm['media'] {
  return (
    clausesOf(accept ?? '')
      .map(formOf)
      .find((form) => form !== undefined)?.media ?? 'application/json'
  )
}

const BODY_MEDIA = ['application/json', 'application/yaml', PROTOBUF]

/** The media type of a request's body; nothing said is JSON. */
export function bodyMedia(contentType: string | undefined): string {
  const media = (contentType ?? '').split(';')[0]?.trim().toLowerCase() || 'application/json'
  if (BODY_MEDIA.includes(media)) return media
  const said = 'the body of the request was in an unknown format - accepted media types include'
  throw new StatusError(415, 'UnsupportedMediaType', `${said}: ${BODY_MEDIA.join(', ')}`)
}

export const NOT_FOUND = failure(404, 'NotFound', 'the server could not find the requested resource', {})

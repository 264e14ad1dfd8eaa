/** ?fieldValidation: what becomes of members that a kind does not have. apiserver/pkg/endpoints/handlers/create.go. */
import { invalid } from '../../../lib/kube/status.ts'
import type { StatusError } from '../../../lib/kube/status.ts'
import type { ApiCall } from './api-call.ts'
import { invalidValue } from './field-errors.ts'
import type { OnStrictErrors } from './request-body.ts'

/** Strict refuses, Warn (the default) warns, Ignore drops them silently. */
export function strictErrorsOf({ query, warnings }: ApiCall): OnStrictErrors {
  return (errors, refuse) => {
    const how = query.get('fieldValidation') || 'Warn'
    if (how === 'Strict') throw refuse(`strict decoding error: ${errors.join(', ')}`)
    if (how === 'Warn') warnings.push(...errors)
  }
}

/** The refusal of what a patch would make of an object. */
export function invalidPatch(patched: unknown, why: string): StatusError {
  return invalid('', '', '', [invalidValue('patch', JSON.stringify(patched), why)])
}

/**
 * v5 ends at whoever serves it, who is a client of the next hop by SPDY and words that hop's Status anew: KEP-4006,
 * apiserver/pkg/util/proxy/streamtranslator.go over client-go/tools/remotecommand/v4.go.
 */
import type { ExecStatus } from './exec-session.ts'

/** No Status at all is taken for a good end. */
export function translatedStatus(said: ExecStatus | undefined): ExecStatus {
  if (said === undefined || said.status === 'Success') return { metadata: {}, status: 'Success' }
  if (said.reason !== 'NonZeroExitCode') return internalFailure(said.message ?? '')
  const code = said.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message ?? ''
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: command terminated with exit code ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: code }] },
  }
}

export function internalFailure(text: string): ExecStatus {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${text}`,
    reason: 'InternalError',
    details: { causes: [{ message: text }] },
    code: 500,
  }
}

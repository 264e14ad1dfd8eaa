/** Rows of grpc.json that our member does not meet, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'alarm-bad-action':
    'the real one falls over (a nil pointer, exit code 2); ours refuses the request as InvalidArgument',
  'after-alarm-bad-action': 'it is still there, as it did not fall over',
}

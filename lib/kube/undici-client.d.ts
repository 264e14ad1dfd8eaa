/** undici's Client by itself: its index loads fetch, caches and event sources as well, 36 ms that no component uses. */
declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici'
  export default Client
}

/** The methods (`request` and its siblings) that undici's index puts on every dispatcher. */
declare module 'undici/lib/api/index.js' {
  const methods: object
  export default methods
}

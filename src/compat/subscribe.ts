/** Receiving without a client of one's own: what Paho's module `subscribe` holds. */
export { callback, simple } from './one-shot.ts'

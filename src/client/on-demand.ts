/**
 * What a client loads when it is first asked for it, in one piece: a page that publishes and reads in loops does without, and
 * many small pieces would each cost a round trip.
 */
export { HandlingWorker } from './handling-worker.ts'
export { publishFrom } from './publish-from.ts'
export { Requester } from './requester.ts'
export { respondWith } from './responder.ts'
export { firstFrom, takeFrom } from './take.ts'

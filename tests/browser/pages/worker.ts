import { roundTrip } from './round-trip.ts'

/** The few names of a worker's scope that are used here; the types of pages and workers do not go together. */
const scope = globalThis as unknown as {
  onmessage: (event: { readonly data: { readonly url: string; readonly protocolVersion: 4 | 5 } }) => void
  postMessage(answer: unknown): void
}

scope.onmessage = ({ data: { url, protocolVersion } }) => {
  roundTrip(url, { protocolVersion }).then(
    (received) => scope.postMessage({ received }),
    (error: unknown) => scope.postMessage({ error: String(error) }),
  )
}

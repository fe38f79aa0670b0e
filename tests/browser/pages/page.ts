import * as mqtt from 'mqtt-await'
import { roundTrip } from './round-trip.ts'

/** What the tests call in the page. */
const calls = { mqtt, roundTrip, inWorker }

export type PageApi = typeof calls

declare global {
  var api: PageApi
}

globalThis.api = calls

/** The round trip inside a Web Worker. */
function inWorker(url: string, protocolVersion: 4 | 5): Promise<unknown> {
  const worker = new Worker('/worker.js', { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message))
    worker.postMessage({ url, protocolVersion })
  }).finally(() => worker.terminate())
}

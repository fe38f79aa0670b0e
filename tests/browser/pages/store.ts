import * as mqtt from 'mqtt-await'
import * as store from 'mqtt-await/store'

/** What the tests of stored sessions call in the page. */
const calls = { mqtt, store }

export type StorePageApi = typeof calls

declare global {
  var storeApi: StorePageApi
}

globalThis.storeApi = calls

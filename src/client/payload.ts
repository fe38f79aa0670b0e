import { wrongOption } from '../errors.ts'
import { textBytes } from './text-bytes.ts'

/** What may be published. A string is sent as UTF-8; bytes must not be changed before the publication is sent. */
export type Payload = string | Uint8Array | ArrayBuffer

const EMPTY = new Uint8Array(0)

/** The bytes of a payload, without a copy where they are bytes already; `undefined` is the empty payload. */
export function payloadBytes(payload: Payload | undefined, path = 'payload'): Uint8Array {
  if (typeof payload === 'string') return payload.length === 0 ? EMPTY : textBytes(payload)
  if (payload instanceof Uint8Array) return payload
  if (payload === undefined) return EMPTY
  return otherBytes(payload, path)
}

/** Off the hot path: array buffers (also of another realm) and everything that is none of the accepted types. */
function otherBytes(payload: unknown, path: string): Uint8Array {
  if (payload instanceof ArrayBuffer || tagOf(payload) === '[object ArrayBuffer]') {
    return new Uint8Array(payload as ArrayBuffer)
  }
  if (ArrayBuffer.isView(payload) && tagOf(payload) === '[object Uint8Array]') {
    return new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.byteLength)
  }
  const received = payload === null ? 'null' : typeof payload
  const hint =
    received === 'object' || received === 'number' ? ' (JSON.stringify or String make a string of it)' : ''
  throw wrongOption(path, `a string, Uint8Array or ArrayBuffer${hint}`, received)
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value)
}

import { wrongOption } from '../errors.ts'
import { isFunction, isObject } from '../option-rules.ts'
import type { ByteStreams } from './custom.ts'
import { StreamTransport } from './stream-transport.ts'
import type { Transport, TransportHandler } from './transport.ts'

const METHODS = ['write', 'pause', 'resume', 'end', 'destroy'] as const

/**
 * What a user's factory has opened, as a transport of ours.
 *
 * @throws OptionsError when it is nothing of the kind
 */
export function adopt(opened: unknown, description: string, handler: TransportHandler): Transport {
  if (isStreams(opened)) return new StreamTransport(opened, description, handler)
  if (isTransport(opened)) return guarded(opened, description, handler)
  const expected =
    'a function that gives a Transport, or { readable, writable } (of a socket of Node: Duplex.toWeb(socket))'
  throw wrongOption('transport', expected)
}

/** Closes what was opened too late. */
export function discard(opened: unknown): void {
  if (isTransport(opened)) opened.destroy()
  if (!isStreams(opened)) return
  opened.readable.cancel().catch(() => {})
  opened.writable.abort().catch(() => {})
}

/** A socket of Node has such properties too: flags. */
function isStreams(opened: unknown): opened is ByteStreams {
  const { readable, writable } = (opened ?? {}) as Partial<ByteStreams>
  return isFunction(readable?.getReader) && isFunction(writable?.getWriter)
}

/** A socket of Node has all the methods, and takes other arguments. */
function isTransport(opened: unknown): opened is Transport {
  return (
    isObject(opened) &&
    !('readable' in opened) &&
    METHODS.every((method) => isFunction((opened as Partial<Transport>)[method]))
  )
}

/**
 * What a method of a transport of the user's own throws is the end of this connection, with that as the cause: the callers could do
 * nothing about it, least of all the one that is about to close it.
 */
function guarded(own: Transport, description: string, handler: TransportHandler): Transport {
  let hasFailed = false
  const attempt = (call: () => void): void => {
    if (hasFailed) return
    try {
      call()
    } catch (error) {
      hasFailed = true
      queueMicrotask(() => handler.onClose(error instanceof Error ? error : new Error(String(error))))
      try {
        own.destroy()
      } catch {}
    }
  }
  return {
    description: own.description || description,
    get bufferedBytes() {
      return own.bufferedBytes
    },
    get socket() {
      return own.socket
    },
    write: (chunks, giveBack) => attempt(() => own.write(chunks, giveBack)),
    pause: () => attempt(() => own.pause()),
    resume: () => attempt(() => own.resume()),
    end: () => attempt(() => own.end()),
    destroy: () => attempt(() => own.destroy()),
  }
}

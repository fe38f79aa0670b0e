import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { ConnectError, OptionsError } from '../../src/errors.ts'
import { type ByteStreams, customTransport } from '../../src/transport/custom.ts'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

const signal = new AbortController().signal

/** A transport that does nothing. */
const streamless: Transport = {
  description: 'own:',
  bufferedBytes: 0,
  write: () => {},
  pause: () => {},
  resume: () => {},
  end: () => {},
  destroy: () => {},
}

/** Two ends of WHATWG streams in memory. */
function streamPair(): [ByteStreams, ByteStreams] {
  const there = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    { highWaterMark: 4 },
    { highWaterMark: 4 },
  )
  const back = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    { highWaterMark: 4 },
    { highWaterMark: 4 },
  )
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ]
}

test('streams over a real socket carry bytes both ways and end in order', async () => {
  const server = createServer({ allowHalfOpen: false }, (socket) => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const handler = new RecordingHandler()
  const open = customTransport(() => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    return Duplex.toWeb(socket) as unknown as ByteStreams
  }, 'tunnel:')
  const transport = await open({ signal, handler })
  expect(transport.description).toBe('tunnel:')
  transport.write([Buffer.from('he'), Buffer.from('llo')])
  expect(transport.bufferedBytes).toBe(5)
  await handler.receivedBytes(5)
  expect(handler.text).toBe('hello')
  expect(transport.bufferedBytes).toBe(0)
  expect(handler.drains).toBeGreaterThan(0)
  transport.end()
  expect(await handler.closed).toBeUndefined()
  transport.destroy()
  expect(handler.closes).toBe(1)
  server.close()
})

test('pause and resume; the other end closes in order', async () => {
  const [near, far] = streamPair()
  const handler = new RecordingHandler()
  const transport = await customTransport(async () => near)({ signal, handler })
  transport.pause()
  const writer = far.writable.getWriter()
  await writer.write(Buffer.from('kept'))
  expect(handler.bytes).toBe(0)
  transport.resume()
  await handler.receivedBytes(4)
  await writer.close()
  expect(await handler.closed).toBeUndefined()
})

test('a broken stream is the cause of the close', async () => {
  const [near, far] = streamPair()
  const handler = new RecordingHandler()
  await customTransport(() => near)({ signal, handler })
  await far.writable.abort(new Error('broken'))
  expect(await handler.closed).toMatchObject({ message: 'broken' })
})

test('what the peer has said before it stopped to listen is heard; one that says nothing is not waited for', async () => {
  const broken = new Error('nobody listens')
  const open = async (said: readonly Uint8Array[], ends: boolean): Promise<RecordingHandler> => {
    const handler = new RecordingHandler()
    const readable = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const bytes of said) controller.enqueue(bytes)
        if (ends) controller.close()
      },
    })
    const writable = new WritableStream<Uint8Array>({
      start(controller) {
        controller.error(broken)
      },
    })
    const transport = await customTransport(async () => ({ readable, writable }))({ signal, handler })
    transport.write([Buffer.from('to nobody')])
    return handler
  }
  const last = await open([Buffer.from('go '), Buffer.from('away')], true)
  expect(await last.closed).toBe(broken)
  expect(last.text).toBe('go away')
  const silent = await open([], false)
  expect(await silent.closed).toBe(broken)
  expect([last.closes, silent.closes]).toEqual([1, 1])
})

test('end() is bounded when nobody takes the bytes', async () => {
  const [near] = streamPair()
  const handler = new RecordingHandler()
  const transport = await customTransport(() => near)({ signal, handler })
  for (let index = 0; index < 10; index++) transport.write([Buffer.alloc(10)])
  transport.end()
  expect(await handler.closed).toBeUndefined()
})

test("a transport of one's own passes as it is", async () => {
  const own = memoryTransport(() => new RecordingHandler())
  const handler = new RecordingHandler()
  const transport = await customTransport(own)({ signal, handler })
  expect(transport.description).toBe('memory:')
  transport.destroy()
  await handler.closed
})

test('what the factory throws is the cause of a ConnectError; what makes no sense is an OptionsError', async () => {
  const cause = new Error('no way')
  const context = { signal, handler: new RecordingHandler() }
  await expect(customTransport(() => Promise.reject(cause))(context)).rejects.toMatchObject({ cause })
  await expect(customTransport(() => Promise.reject(cause))(context)).rejects.toThrow(ConnectError)
  const { write, pause, resume, end } = streamless
  for (const nonsense of [
    {},
    null,
    7,
    { write },
    { write, pause, resume, end },
    { readable: 1, writable: 2 },
  ])
    await expect(customTransport(() => nonsense as never)(context)).rejects.toThrow(OptionsError)
  const duplex = new Duplex({ read() {}, write() {} })
  await expect(customTransport(() => duplex as never)(context)).rejects.toThrow(/Duplex\.toWeb/)
  await expect(customTransport(() => undefined as unknown as Transport)(context)).rejects.toThrow(
    OptionsError,
  )
})

test('aborting a factory that does not heed the signal rejects, and closes what comes too late', async () => {
  const [near, far] = streamPair()
  let finish: (streams: ByteStreams) => void = () => {}
  const controller = new AbortController()
  const reason = new Error('enough')
  const attempt = customTransport(
    () =>
      new Promise((resolve) => {
        finish = resolve
      }),
  )({ signal: controller.signal, handler: new RecordingHandler() })
  controller.abort(reason)
  await expect(attempt).rejects.toBe(reason)
  finish(near)
  await expect(far.readable.getReader().read()).rejects.toBeUndefined()
})

test.each(['write', 'pause', 'resume', 'end', 'destroy'] as const)(
  "what %s() of a transport of one's own throws is the cause of the close, and is thrown at nobody",
  async (method) => {
    const cause = new Error(`${method} is broken`)
    const handler = new RecordingHandler()
    const broken = {
      ...streamless,
      [method]: () => {
        throw cause
      },
    }
    const transport = await customTransport(() => broken)({ signal, handler })
    transport[method]([])
    expect(handler.closes).toBe(0)
    expect(await handler.closed).toBe(cause)
    transport.destroy()
    transport.write([])
    expect(handler.closes).toBe(1)
  },
)

test('streams of any kind of bytes are taken; one of anything else says what it gives', async () => {
  const open = async (...given: unknown[]): Promise<RecordingHandler> => {
    const handler = new RecordingHandler()
    const readable = new ReadableStream({
      start(controller) {
        for (const chunk of given) controller.enqueue(chunk)
        controller.close()
      },
    })
    await customTransport(() => ({ readable, writable: new WritableStream() }))({ signal, handler })
    await handler.closed
    return handler
  }
  const bytes = new Uint8Array(Buffer.from('abcd'))
  const taken = await open(bytes, bytes.buffer, new DataView(bytes.buffer, 1, 2), new Uint8Array(0))
  expect(taken.text).toBe('abcdabcdbc')
  expect(taken.cause).toBeUndefined()
  for (const chunk of ['text', null, [1, 2], 7]) expect((await open(chunk)).cause).toBeInstanceOf(TypeError)
  expect((await open('text')).cause?.message).toMatch(/gave a string, not a Uint8Array/)
})

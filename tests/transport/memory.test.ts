import { expect, test } from 'vitest'
import { memoryTransport } from '../../src/transport/memory.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { RecordingHandler } from '../support/recording-handler.ts'

async function pair(): Promise<{
  client: Transport
  server: Transport
  atClient: RecordingHandler
  atServer: RecordingHandler
}> {
  const atClient = new RecordingHandler()
  const atServer = new RecordingHandler()
  let server: Transport | undefined
  const open = memoryTransport((peer) => {
    server = peer
    return atServer
  })
  const client = await open({ signal: new AbortController().signal, handler: atClient })
  if (server === undefined) throw new Error('not accepted')
  return { client, server, atClient, atServer }
}

test('carries bytes both ways, in order, and never inside a call', async () => {
  const { client, server, atClient, atServer } = await pair()
  client.write([Buffer.from('a'), Buffer.from('b')])
  expect(atServer.bytes).toBe(0)
  expect(client.bufferedBytes).toBe(2)
  await atServer.receivedBytes(2)
  expect(atServer.text).toBe('ab')
  expect(client.bufferedBytes).toBe(0)
  expect(atClient.drains).toBe(1)
  server.write([Buffer.from('c')])
  server.end()
  expect(await atClient.closed).toBeUndefined()
  expect(atClient.text).toBe('c')
  expect(await atServer.closed).toBeUndefined()
  client.write([Buffer.from('late')])
  client.destroy()
  expect([atClient.closes, atServer.closes]).toEqual([1, 1])
})

test('a paused end keeps what was written, also beyond its end', async () => {
  const { client, server, atServer } = await pair()
  server.pause()
  client.write([Buffer.from('kept')])
  client.end()
  await Promise.resolve()
  await Promise.resolve()
  expect(atServer.bytes).toBe(0)
  server.resume()
  await atServer.closed
  expect(atServer.text).toBe('kept')
})

test('destroy drops what is on its way', async () => {
  const { client, server, atServer, atClient } = await pair()
  server.pause()
  client.write([Buffer.from('lost')])
  client.destroy()
  await Promise.all([atServer.closed, atClient.closed])
  expect(atServer.bytes).toBe(0)
})

test('an aborted signal opens nothing', async () => {
  const reason = new Error('enough')
  const open = memoryTransport(() => {
    throw new Error('accepted')
  })
  await expect(open({ signal: AbortSignal.abort(reason), handler: new RecordingHandler() })).rejects.toBe(
    reason,
  )
})

import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { LogEntry } from 'mqtt-await'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { logHook } from '../../src/client/log.ts'
import { Program } from '../support/program.ts'
import { ScriptedBroker, settled } from './scripted-broker.ts'

/** Subscribes for the length of the test. */
function listen(name: string): { readonly clientId: string; readonly packet: { readonly type: string } }[] {
  const messages: { clientId: string; packet: { type: string } }[] = []
  const take = (message: unknown): void => {
    messages.push(message as { clientId: string; packet: { type: string } })
  }
  channel(name).subscribe(take)
  onTestFinished(() => {
    channel(name).unsubscribe(take)
  })
  return messages
}

/** What a tracing channel tells, as `event: detail`. */
function trace(name: string, show: (context: Record<string, unknown>) => string): string[] {
  const seen: string[] = []
  const take =
    (event: string) =>
    (context: object): void => {
      seen.push(`${event}: ${show(context as Record<string, unknown>)}`)
    }
  const handlers = {
    start: take('start'),
    end: take('end'),
    asyncStart: take('asyncStart'),
    asyncEnd: take('asyncEnd'),
    error: take('error'),
  }
  tracingChannel(name).subscribe(handlers)
  onTestFinished(() => tracingChannel(name).unsubscribe(handlers))
  return seen
}

describe('diagnostics channels', () => {
  test('mqtt:packet:send and mqtt:packet:receive carry every packet with the client it is of', async () => {
    const sent = listen('mqtt:packet:send')
    const received = listen('mqtt:packet:receive')
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.publish('a', 'b', { qos: 1 }).acked
    expect(sent.map(({ clientId, packet }) => [clientId, packet.type])).toEqual([
      ['scripted', 'connect'],
      ['scripted', 'publish'],
    ])
    expect(received.map(({ packet }) => packet.type)).toEqual(['connack', 'puback'])
  })

  test('a subscriber that comes later sees packets from then on, and one that goes sees no more', async () => {
    const broker = new ScriptedBroker()
    const client = await broker.client()
    const seen: unknown[] = []
    const take = (message: unknown): void => {
      seen.push(message)
    }
    channel('mqtt:packet:send').subscribe(take)
    // A channel tells nobody that it has been subscribed to: a client looks when a turn ends.
    await client.publish('a', 'b', { qos: 1 }).acked
    await client.publish('a', 'b', { qos: 1 }).acked
    expect(seen).toContainEqual({ clientId: 'scripted', packet: expect.objectContaining({ topic: 'a' }) })
    channel('mqtt:packet:send').unsubscribe(take)
    const before = seen.length
    await client.publish('a', 'b', { qos: 1 }).acked
    await client.publish('a', 'b', { qos: 1 }).acked
    expect(seen).toHaveLength(before)
  })

  test('carry no password', async () => {
    const sent = listen('mqtt:packet:send')
    const broker = new ScriptedBroker()
    await broker.client({ username: 'u', password: 'tops3cret' })
    expect(sent[0]?.packet.type).toBe('connect')
    expect(JSON.stringify(sent)).not.toContain('tops3cret')
    expect(JSON.stringify(sent)).not.toContain(
      JSON.stringify([...new TextEncoder().encode('tops3cret')]).slice(1, -1),
    )
  })

  test('tracing:mqtt:connect follows connect() to its end, good and bad', async () => {
    const seen = trace('mqtt:connect', ({ clientId, error }) =>
      error === undefined ? String(clientId) : String((error as { code: string }).code),
    )
    const broker = new ScriptedBroker()
    await broker.client()
    expect(seen).toEqual(['start: scripted', 'end: scripted', 'asyncStart: scripted', 'asyncEnd: scripted'])
    seen.length = 0
    broker.connack = { reasonCode: 0x87 }
    await expect(broker.client()).rejects.toMatchObject({ reasonCode: 0x87 })
    expect(seen[2]).toMatch(/^error: ERR_MQTT_/)
  })

  test('tracing:mqtt:publish follows a publication to its acknowledgement', async () => {
    const seen = trace('mqtt:publish', ({ topic, qos, result, error }) =>
      JSON.stringify({ topic, qos, result, error: (error as { code?: string } | undefined)?.code }),
    )
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.publish('a/b', 'x', { qos: 1 }).acked
    await settled()
    expect(seen[0]).toBe('start: {"topic":"a/b","qos":1}')
    expect(seen.at(-1)).toMatch(/^asyncEnd: \{"topic":"a\/b","qos":1,"result":\{"reasonCode":0/)
    seen.length = 0
    broker.puback = () => 0x97
    // Nobody reads `acked`: following it makes no unhandled rejection of it.
    client.publish('a/b', 'x', { qos: 1 })
    await settled()
    expect(seen.some((line) => line.startsWith('error: ') && line.includes('ERR_MQTT_PUBLISH'))).toBe(true)
  })

  test('tracing:mqtt:handler follows each call of a handler, also one that returns no promise', async () => {
    const seen = trace('mqtt:handler', ({ topic, attempt }) => `${topic} ${attempt}`)
    const broker = new ScriptedBroker()
    const client = await broker.client()
    await client.handle('sync', () => {}).ready
    await client.handle(
      'failing',
      (_, { attempt }) => {
        if (attempt === 1) throw new Error('not yet')
      },
      { retry: { attempts: 1, minDelayMs: 0 } },
    ).ready
    broker.publish(['sync', { qos: 1 }])
    await settled()
    expect(seen).toEqual(['start: sync 1', 'end: sync 1', 'asyncStart: sync 1', 'asyncEnd: sync 1'])
    seen.length = 0
    broker.publish(['failing', { qos: 1 }])
    await broker.next('puback', ({ packetId }) => packetId === 2)
    expect(seen.filter((line) => /^(start|error)/.test(line))).toEqual([
      'start: failing 1',
      'error: failing 1',
      'start: failing 2',
    ])
  })
})

describe('the log', () => {
  test('tells what the client does, with details, and a log that fails harms nothing', async () => {
    const entries: LogEntry[] = []
    const broker = new ScriptedBroker()
    const client = await broker.client({
      username: 'u',
      password: 'tops3cret',
      log: (entry) => {
        entries.push(entry)
        throw new Error('the disk is full')
      },
    })
    broker.drop()
    await expect.poll(() => client.stats.connections).toBe(2)
    await client.disconnect()
    expect(entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'debug state connecting',
      'debug state connected',
      'info connected',
      'warn connection lost',
      'debug state reconnecting',
      'info reconnecting',
      'warn session lost',
      'debug state connected',
      'info connected',
      'debug state disconnecting',
      'info disconnected',
      'debug state closed',
      'info closed',
    ])
    expect(entries.every(({ clientId }) => clientId === 'scripted')).toBe(true)
    expect(JSON.stringify(entries)).not.toContain('tops3cret')
  })

  test.each([
    ['mqtt-await', true],
    ['mqtt-await:*', true],
    ['express, mqtt-*', true],
    ['*', true],
    ['mqtt', false],
    ['', false],
  ])('DEBUG=%s', (setting, isWanted) => {
    vi.stubEnv('DEBUG', setting)
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    expect(logHook(undefined) !== undefined).toBe(isWanted)
    const own = (): void => {}
    expect(logHook(own)).toBe(own)
  })

  test.each([
    ['mqtt-await*', true],
    ['express:*', false],
  ])('DEBUG=%s, in a process', async (setting, isPrinted) => {
    const program = new Program('tests/client/debug-program.ts', [], { DEBUG: setting })
    onTestFinished(() => program.kill())
    expect(await program.ended).toBe(0)
    expect(program.output).toBe('the end\n')
    if (!isPrinted) expect(program.errors).toBe('')
    else {
      expect(program.errors).toMatch(/^mqtt-await debug \[scripted\] state connecting previous=idle$/m)
      expect(program.errors).toMatch(
        /^mqtt-await warn \[scripted\] attempt failed attempt=1 error=.*ECONNREFUSED/m,
      )
      expect(program.errors).not.toContain('tops3cret')
    }
  })
})
